"""A Hugging Face Hub on the loopback interface: the few addresses its client asks."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories of the server, their commits, and the requests that came."""

    address: str = ""
    commits: dict = field(default_factory=dict)  # (repository, sha) -> {path: bytes}
    branches: dict = field(default_factory=dict)  # (repository, branch) -> sha
    requests: list = field(default_factory=list)
    down: bool = False
    claimed_sizes: dict = field(default_factory=dict)  # path -> size in answers
    endless: bool = False  # whether files come without end

    def commit(self, repository, files, branch="main"):
        content = repr((repository, branch, sorted(files), len(self.commits))).encode()
        sha = hashlib.sha1(content).hexdigest()
        self.commits[repository, sha] = dict(files)
        self.branches[repository, branch] = sha
        return sha

    def files(self, repository, revision="main"):
        sha = self.branches.get((repository, revision), revision)
        return sha, self.commits.get((repository, sha))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def _answer(self, content, status=200, **headers):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _fails(self, code, status=404):
        self._answer({"error": code}, status, X_Error_Code=code)

    def do_GET(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        if hub.down:
            return self._answer({}, 503)
        if found := re.fullmatch(
            r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path
        ):
            repository, kind, revision = found.groups()
            return self._information(repository, kind, revision or "main")
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        sha, files = hub.files(*found.groups()[:2])
        if files is None or found[3] not in files:
            code = "RepoNotFound" if files is None else "EntryNotFound"
            return self._fails(code)
        content = files[found[3]]
        headers = {
            "X_Repo_Commit": sha,
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
        }
        if hub.endless and self.command == "GET":
            return self._without_end(headers)
        size = hub.claimed_sizes.get(found[3])
        if size:
            headers["X_Linked_Size"] = str(size)
        return self._answer(content, **headers)

    do_HEAD = do_GET

    def _information(self, repository, kind, revision):
        if not any(name == repository for name, _ in self.server.hub.branches):
            return self._fails("RepoNotFound")
        sha, files = self.server.hub.files(repository, revision)
        if files is None:
            return self._fails("RevisionNotFound")
        if kind == "tree":
            sizes = self.server.hub.claimed_sizes
            return self._answer(
                [
                    {
                        "type": "file",
                        "path": path,
                        "size": sizes.get(path, len(content)),
                        "oid": hashlib.sha1(content).hexdigest(),
                    }
                    for path, content in files.items()
                ]
            )
        names = [{"rfilename": path} for path in files]
        return self._answer({"id": repository, "sha": sha, "siblings": names})

    def _without_end(self, headers):
        self.send_response(200)
        for name, value in {**headers, "Transfer_Encoding": "chunked"}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        block = bytes(1 << 20)
        with contextlib.suppress(OSError):
            for _ in range(64):
                self.wfile.write(b"100000\r\n" + block + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def do_POST(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_test":
            return self._answer({"error": "Invalid username or password."}, 401)
        if path == "/api/repos/create":
            asked = json.loads(content)
            repository = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if (repository, "main") in hub.branches:
                url = {"url": f"{hub.address}/{repository}"}
                return self._answer({"error": "exists", **url}, 409)
            hub.commit(repository, {".gitattributes": b""})
            return self._answer({"url": f"{hub.address}/{repository}"})
        if path == "/api/validate-yaml":
            return self._answer({"errors": [], "warnings": []})
        found = re.fullmatch(r"/api/models/(.+?/.+?)/(preupload|commit)/main", path)
        if found[2] == "preupload":
            rows = [
                {"path": row["path"], "uploadMode": "regular", "shouldIgnore": False}
                for row in json.loads(content)["files"]
            ]
            return self._answer({"files": rows})
        _, files = hub.files(found[1])
        files = dict(files)
        for line in map(json.loads, content.splitlines()):
            if line["key"] == "file":
                value = line["value"]
                files[value["path"]] = base64.b64decode(value["content"])
        sha = hub.commit(found[1], files)
        url = f"{hub.address}/{found[1]}/commit/{sha}"
        return self._answer({"success": True, "commitOid": sha, "commitUrl": url})


@contextlib.contextmanager
def serving_hub():
    """Serves an empty hub; yields it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

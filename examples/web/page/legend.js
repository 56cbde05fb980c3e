// The list of classes: colour, name, share, and a box that hides the class.

const LEAST = 0.0005; // a smaller share is written as 0.0 %

/** Returns a share in percent, with a digit behind the point. */
export function percent(share) {
  return share > 0 && share < LEAST ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

export class Legend {
  hidden = new Set(); // classes that are not shown
  #list;
  #rows = new Map();
  #changed;

  /**
   * @param {HTMLElement} list Gets a row for each class that was seen.
   * @param {() => void} changed Called when classes were hidden or shown.
   */
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
  }

  /** Forgets everything: another network has other classes. */
  clear() {
    this.hidden.clear();
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  /**
   * Shows the shares of a picture, the largest first.
   *
   * @param {boolean} steady Of a frame of a video: no row goes, and none moves.
   */
  update(shares, names, palette, steady) {
    const seen = (label) => shares[label] > 0 || (steady && this.#rows.has(label));
    const labels = [...names.keys()].filter(seen);
    if (!steady) labels.sort((one, other) => shares[other] - shares[one]);
    for (const [label, { item }] of this.#rows) {
      if (!labels.includes(label)) {
        item.remove();
        this.#rows.delete(label);
      }
    }
    for (const label of labels) {
      if (!this.#rows.has(label)) this.#add(label, names[label], palette[label]);
      const { item, share } = this.#rows.get(label);
      share.textContent = percent(shares[label]);
      item.style.setProperty("--share", shares[label]);
    }
    const wanted = labels.map((label) => this.#rows.get(label).item);
    // Moving a row would take the focus from it.
    if (wanted.some((item, place) => item !== this.#list.children[place])) {
      this.#list.replaceChildren(...wanted);
    }
  }

  #add(label, name, [red, green, blue]) {
    const item = document.createElement("li");
    const row = document.createElement("label");
    const box = Object.assign(document.createElement("input"), {
      type: "checkbox",
      checked: !this.hidden.has(label),
    });
    const [swatch, text, share] = ["swatch", "name", "share"].map((kind) =>
      Object.assign(document.createElement("span"), { className: kind }),
    );
    swatch.style.backgroundColor = `rgb(${red} ${green} ${blue})`;
    text.textContent = name;
    box.addEventListener("change", () => {
      if (box.checked) this.hidden.delete(label);
      else this.hidden.add(label);
      this.#changed();
    });
    row.append(box, swatch, text, share);
    item.append(row);
    this.#list.append(item);
    this.#rows.set(label, { item, box, share });
  }

  /** Shows or hides all classes that are listed. */
  showAll(shown) {
    for (const [label, { box }] of this.#rows) {
      box.checked = shown;
      if (shown) this.hidden.delete(label);
      else this.hidden.add(label);
    }
    this.#changed();
  }
}

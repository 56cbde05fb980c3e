// What is under the pointer, or under a cross hair that the arrow keys move.

const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/**
 * Names the class under the pointer.
 *
 * @param {object} page The elements `frame`, `tag`, `cross` and `spot`.
 * @param {(x: number, y: number) => string} nameAt The class at a place, in shares of the
 *   picture's width and height.
 */
export function followPointer({ frame, tag, cross, spot }, nameAt) {
  let [x, y] = [0.5, 0.5];

  const show = () => {
    tag.textContent = nameAt(x, y);
    tag.hidden = !tag.textContent;
    tag.classList.toggle("left", x > 0.6);
    tag.classList.toggle("below", y < 0.2);
    for (const element of [tag, cross]) {
      element.style.left = `${100 * x}%`;
      element.style.top = `${100 * y}%`;
    }
  };
  const point = (event) => {
    const box = frame.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    x = inside((event.clientX - box.left) / box.width);
    y = inside((event.clientY - box.top) / box.height);
    cross.hidden = true;
    show();
  };
  const leave = () => {
    tag.hidden = true;
    cross.hidden = true;
  };
  frame.addEventListener("pointermove", point);
  frame.addEventListener("pointerdown", point);
  frame.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") leave();
  });
  frame.addEventListener("blur", leave);
  frame.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    const length = event.shiftKey ? 0.005 : 0.04;
    x = Math.min(1, Math.max(0, x + step[0] * length));
    y = Math.min(1, Math.max(0, y + step[1] * length));
    cross.hidden = false;
    show();
    const place = `${Math.round(100 * x)} % across, ${Math.round(100 * y)} % down`;
    spot.textContent = `${tag.textContent}: ${place}`;
  });
  return { refresh: () => tag.hidden || show() };
}

// What a person would see, measured: an expression that gives a list of what is wrong.
(() => {
  const wrong = [];
  const width = window.innerWidth;
  const shown = (element) => element.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true });
  const box = (element) => element.getBoundingClientRect();
  const told = (element) => `${element.tagName} "${(element.textContent || "").trim().slice(0, 40)}"`;
  const unseen = (element) => element.closest(".unseen, .defs");

  if (document.documentElement.scrollWidth > width) {
    wrong.push(`scrolls to the side: ${document.documentElement.scrollWidth} of ${width} px`);
  }
  for (const element of document.body.querySelectorAll("*")) {
    if (!shown(element) || unseen(element) || element.closest("svg *")) continue;
    const { left, right, width: wide } = box(element);
    if (wide > 0 && (right > width + 0.5 || left < -0.5)) wrong.push(`${told(element)} reaches from ${left} to ${right}`);
  }

  // Words in drawings: inside of them, readable, and none on another.
  const touch = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  for (const drawing of document.querySelectorAll("svg")) {
    if (!shown(drawing) || unseen(drawing)) continue;
    const edge = box(drawing);
    const words = [...drawing.querySelectorAll("text")].map((text) => [text, box(text)]);
    words.forEach(([text, at], index) => {
      if (at.left < edge.left - 1 || at.right > edge.right + 1) wrong.push(`${told(text)} leaves its drawing`);
      if (at.height < 9) wrong.push(`${told(text)} is ${at.height} px high`);
      for (const [other, there] of words.slice(index + 1)) {
        if (touch(at, there)) wrong.push(`${told(text)} and ${told(other)} overlap`);
      }
    });
    const boxes = [...drawing.querySelectorAll(".box")].map((rect) => [rect, box(rect)]);
    boxes.forEach(([rect, at], index) => {
      for (const [, there] of boxes.slice(index + 1)) if (touch(at, there)) wrong.push("two boxes overlap");
      for (const text of rect.parentElement.querySelectorAll("text")) {
        const inside = box(text);
        if (inside.left < at.left || inside.right > at.right || inside.bottom > at.bottom + 1) {
          wrong.push(`${told(text)} leaves its box`);
        }
      }
    });
  }

  // Contrast, as WCAG 2 counts it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => {
      const part = v / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const rect = at.matches?.("a, g") ? at.querySelector(":scope > .box") : null;
      const colour = rect ? getComputedStyle(rect).fill : getComputedStyle(at).backgroundColor;
      if (colour !== "none" && colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "white";
  };
  const known = new Map();
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !shown(element) || unseen(element) || ["title", "style"].includes(element.tagName.toLowerCase())) continue;
    const style = getComputedStyle(element);
    const front = element instanceof SVGElement ? style.fill : style.color;
    const back = behind(element);
    const key = `${front} on ${back}`;
    if (!known.has(key)) {
      const [more, less] = [light(front), light(back)].sort((a, b) => b - a);
      known.set(key, (more + 0.05) / (less + 0.05));
      if (known.get(key) < 4.5) wrong.push(`contrast of ${told(element)}: ${known.get(key).toFixed(2)} (${key})`);
    }
  }
  return [...new Set(wrong)].slice(0, 20);
})()

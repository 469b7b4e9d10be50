"""Looks at pages in a headless Chromium: `look.py FOLDER [PICTURES]`.

Whatever the width and the scheme: nothing may be complained of, asked for, cut off, covered or too pale.
"""

import sys
import time
from pathlib import Path

from browser import Browser, Page

MEASURE = (Path(__file__).parent / "measure.js").read_text()
WINDOWS = [(360, 740), (768, 1024), (1280, 800), (1920, 1080)]
# What an operator must see without scrolling, in a window of usual size.
FIRST = {
    "rich": ["macbook could not be reached", "hugepages/pool"],
    "many": ["macbook could not be reached", "hugepages/pool"],
    "well": ["All ", "Nearest to their limits", "lan10g"],
    "hostile": [],
}


def in_sight(page, text):
    """Whether the whole line with that text is on the screen."""
    words = repr(text)
    return page.run(
        "[...document.querySelectorAll('h1, h2, h3, .name')].some((e) =>"
        f" e.textContent.includes({words}) && e.checkVisibility() &&"
        " e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().bottom <= innerHeight)"
    )


def unfolded(page):
    """A link to a check opens the fold that it is in; a click on a tile opens that."""
    page.run("document.querySelector('.trouble a[href*=\"-\"]')?.click()")
    time.sleep(0.2)
    wrong = []
    if page.run("document.querySelector('.trouble') && !document.querySelector('.check:target')?.checkVisibility()"):
        wrong.append("a link to a check does not open its fold")
    page.run("document.querySelectorAll('details').forEach((e) => { e.open = true })")
    return wrong + [f"unfolded: {what}" for what in page.run(MEASURE)]


def nameless(page):
    """Drawings that say nothing to who cannot see them."""
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    images = [n for n in nodes if n.get("role", {}).get("value") in ("image", "img") and not n["ignored"]]
    bare = [n for n in images if not n.get("name", {}).get("value")]
    return [f"{len(bare)} of {len(images)} drawings have no name"] if bare else []


def printed(page):
    """On paper everything is unfolded, and fits."""
    page.run("document.querySelectorAll('details').forEach((e) => { e.open = false })")
    page.printed()
    hidden = page.run("[...document.querySelectorAll('.check')].filter((e) => e.getBoundingClientRect().height < 5).length")
    wrong = [f"{hidden} checks are not printed"] if hidden else []
    if len(page.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]) < 10_000:
        wrong.append("nothing is printed")
    return wrong


def look(browser, file, size, scheme, pictures):
    width, height = size
    page = Page(browser, file.as_uri(), width, height, scheme)
    wrong = page.run(MEASURE)
    if pictures:
        page.picture(pictures / f"{file.stem}-{width}-{scheme}.png", whole=True)
    if width == 1280:
        wrong += [f"`{text}` is not in sight" for text in FIRST[file.stem] if not in_sight(page, text)]
        wrong += nameless(page)
    wrong += unfolded(page)
    if pictures and width == 1280:
        page.picture(pictures / f"{file.stem}-{width}-{scheme}-unfolded.png", whole=True)
    if width == 1280:
        wrong += printed(page)
    wrong += page.said()
    page.close()
    return wrong


def main():
    folder = Path(sys.argv[1])
    pictures = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    with Browser() as browser:
        for file in sorted(folder.glob("*.html")):
            for size in WINDOWS:
                for scheme in ("light", "dark"):
                    wrong = look(browser, file, size, scheme, pictures)
                    passed, failed = passed + (not wrong), failed + bool(wrong)
                    for what in wrong:
                        print(f"{file.stem}, {size[0]} x {size[1]}, {scheme}: {what}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)


main()

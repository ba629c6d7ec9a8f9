import html
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace
from typing_extensions import override

pytest.importorskip("jinja2", reason="the page needs the extra `convert`")
pytest.importorskip("matplotlib", reason="the page needs the extra `convert`")

from model_registry.advice.recommendation import Wish
from model_registry.convert.report import write_page
from model_registry.convert.report.page import page
from model_registry.convert.sweep import NotMade
from tests.registry.convert.report.sweeps import advised, made, sweep

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&$x_1$"
WIDTHS_PX = (360, 1280)


class Outline(HTMLParser):
    """Elements, ids, headings and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        self.ids.update(value for name, value in attrs if name == "id" and value)


def rendered(**changes: object) -> str:
    swept = sweep(**changes)
    return page(swept, advised(swept, Wish(deadline_s=0.1)))


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_the_page_needs_nothing_else() -> None:
    text = rendered()
    outline = Outline(text)
    assert outline.tags.keys() & {"script", "link", "img", "iframe", "object", "embed", "base"} == set()
    fetched = [value for name, value in outline.attributes if name in {"src", "srcset", "href", "data", "action"}]
    assert [value for value in fetched if not (value or "").startswith("#")] == []
    assert re.findall(r"url\((?!#)|@import", text) == []


def test_what_a_stranger_wrote_is_text_and_never_markup() -> None:
    clean = Outline(rendered()).tags
    swept = sweep(
        draft=replace(sweep().draft, name=HOSTILE, summary=HOSTILE),
        origin=HOSTILE,
        processor=HOSTILE,
        metric=HOSTILE,
        not_made=(NotMade(name=HOSTILE, reason=HOSTILE),),
        made=tuple(
            replace(
                each,
                note=HOSTILE,
                variant=replace(each.variant, compression=HOSTILE, accuracy={HOSTILE: 0.5 + i / 100}),
            )
            for i, each in enumerate(sweep().made)
        ),
    )
    text = page(swept, advised(swept))
    tags = Outline(text).tags
    assert set(tags) == set(clean)
    assert HOSTILE in words(text)


def test_the_recommendation_comes_first_in_plain_words() -> None:
    text = words(rendered())
    first = text[text.index("What to run where") : text.index("The variants")]
    assert "For a watch none No variant fits a watch." in first
    assert (
        "For a phone int8 int8 is the smallest of the 4 variants that fit, lose at most 1 point of accuracy, and take "
        "the least energy as far as can be told. Against fp32 it is 1.1 times as fast, has 26% of the size and loses "
        "0.78 points." in first
    )


def test_every_variant_stands_with_its_figures_and_every_missing_one_with_its_reason() -> None:
    text = words(rendered())
    assert "int8 for phone 3.66 MB 26% 71.1 % −0.78 points 2.10 ms 2.73 ms 81.0 MB ~4.20 mJ static int8" in text  # noqa: RUF001
    assert "int4 The graph has no matrix product with constant weights to pack." in text


def test_every_prediction_names_its_source() -> None:
    text = words(rendered())
    predicted = len(sweep().made) * 4
    assert len(re.findall(r"measured on AMD EPYC 9B14, one core, times", text)) == predicted


def test_a_reader_of_the_page_by_ear_finds_headings_captions_and_what_the_drawings_show() -> None:
    text = rendered()
    outline = Outline(text)
    assert outline.tags["h1"] == 1
    assert outline.tags["caption"] == outline.tags["table"] == 5
    assert [name for name, count in outline.ids.items() if count > 1] == []
    labelled = [value for name, value in outline.attributes if name == "aria-labelledby" and value]
    assert [name for name in labelled if name not in outline.ids] == []
    spoken = [value for name, value in outline.attributes if name == "aria-label" and value]
    assert spoken[0].startswith(
        "Accuracy against size. fp32: 14 MB, 71.9 %; slim: 13.6 MB, 71.9 %; fp16: 7 MB, 71.9 %;"
    )


def test_text_in_the_drawings_is_text_in_the_colours_of_the_page() -> None:
    drawing = re.findall(r"<svg.*?</svg>", rendered(), re.DOTALL)[0]
    assert {"int8-dynamic", "size, MB", "accuracy, %"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", drawing))
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", drawing)) <= {
        "none",
        "var(--ink)",
        "var(--quiet)",
        "var(--accent)",
        "var(--line)",
    }


def test_without_accuracy_nothing_is_drawn_and_the_page_says_why() -> None:
    plain = tuple(made(name, size=size, p50_ms=1.0, accuracy=None) for name, size in (("fp32", 4_000), ("int8", 1_000)))
    text = rendered(made=plain, metric="")
    assert "<svg" not in text
    assert "Accuracy was not measured, for no data was given" in text


def test_the_page_is_one_file(tmp_path: Path) -> None:
    write_page(sweep(), advised(sweep()), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def widths_in_browser(browser: str, text: str, folder: Path) -> list[int]:
    """Return how wide the page is, everything unfolded, in windows of :data:`WIDTHS_PX`."""
    frames = "".join(
        f'<iframe style="border:0;width:{px}px;height:30000px" srcdoc="{html.escape(text)}"></iframe>'
        for px in WIDTHS_PX
    )
    script = """<script>onload = () => {
        const pages = [...document.querySelectorAll("iframe")].map(frame => frame.contentDocument);
        for (const page of pages) for (const fold of page.querySelectorAll("details")) fold.open = true;
        document.title = pages.map(page => page.documentElement.scrollWidth).join(" ");
    }</script>"""
    (folder / "frames.html").write_text(f"<!doctype html><title>none</title>{frames}{script}", encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    dumped = subprocess.run(
        [*command, "--dump-dom", f"file://{folder}/frames.html"], check=True, capture_output=True, text=True, timeout=60
    )
    title = re.search(r"<title>(.*?)</title>", dumped.stdout)
    assert title, dumped.stdout[:500]
    return [int(width) for width in title[1].split()]


def test_nothing_scrolls_sideways_on_a_phone_or_a_desk_however_long_the_names(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    long = sweep(origin="very-" * 40 + "long.onnx", processor="x" * 90)
    assert widths_in_browser(browser, page(long, advised(long)), tmp_path) == list(WIDTHS_PX)

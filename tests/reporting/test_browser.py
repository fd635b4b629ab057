"""The page in a headless Chromium: its images beside torch's, every control, and what it asks of others (nothing)."""

import base64
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.common.images import to_levels
from stages.gan.sampler import Sampler
from stages.reporting.page import FOLDER, render
from stages.reporting.run import read_run
from stages.reporting.weights import layers_of
from tests.reporting.browser import Page
from tests.reporting.finished import every_param, random_generator

LATENTS = 1000
GENERATE = """
(() => {
  const z = new Float32Array(Gan.bytesOf("%s").buffer), classes = %d, size = %d, count = z.length / size;
  const out = [];
  for (let i = 0; i < count; i++) {
    const shares = Array(classes).fill(0);
    if (classes) shares[i %% classes] = 1;
    for (const level of Gan.toLevels(G.image(z.subarray(i * size, (i + 1) * size), shares))) out.push(level);
  }
  let text = "";
  for (const level of out) text += String.fromCharCode(level);
  return btoa(text);
})()
"""


def computed(browser: Page, sampler: Sampler, arguments: dict[str, Any], z: torch.Tensor) -> torch.Tensor:
    """Levels of the page's own generator, uint8 [N, C, H, W]."""
    browser.open(Path(__file__).with_name("empty.html"))
    browser.run((FOLDER / "generator.js").read_text(encoding="utf-8") + "; window.Gan = Gan; 1")
    browser.run(f"window.G = new Gan.Generator({json.dumps(layers_of(sampler.G, arguments).content())}); 1")
    sent = base64.b64encode(z.numpy().astype("<f4").tobytes()).decode()
    answer = browser.run(GENERATE % (sent, arguments["num_classes"], arguments["z_dim"]))
    channels, height, width = arguments["image_shape"]
    levels = torch.frombuffer(bytearray(base64.b64decode(answer)), dtype=torch.uint8)
    return levels.view(len(z), height, width, channels).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("count", "arguments"),
    [
        pytest.param(LATENTS, {}, id="the default"),
        pytest.param(100, {"num_classes": 0, "width": 8}, id="no classes"),
        pytest.param(
            30, {"image_shape": [3, 32, 64], "num_classes": 4, "z_dim": 8, "width": 4}, id="colours, not square"
        ),
    ],
)
def test_images_agree_with_torch_within_one_grey_level(browser: Page, count: int, arguments: dict[str, Any]) -> None:
    generator, meta = random_generator(**arguments)
    sampler = Sampler(generator, meta["arguments"]["z_dim"], meta["arguments"]["num_classes"], 1, "test")
    z = sampler.latents("z", count)
    expected = to_levels(sampler.images(z, torch.arange(count) % max(1, sampler.num_classes)))
    assert expected.min() < 10
    assert expected.max() > 245
    assert len(expected.flatten(1).unique(dim=0)) == count
    actual = computed(browser, sampler, meta["arguments"], z)
    assert (actual.int() - expected.int()).abs().max() <= 1


def text(page: Page, name: str) -> str:
    return str(page.run(f"document.getElementById('{name}').textContent"))


def picture(page: Page, selector: str) -> str:
    """What a canvas shows, once it was drawn again."""
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return str(page.run(f"document.querySelector('{selector}').toDataURL()"))


def click(page: Page, name: str) -> None:
    page.run(f"document.getElementById('{name}').click()")


def set_value(page: Page, name: str, value: object, event: str = "input") -> None:
    """As a user who moves a slider, types or chooses."""
    script = "(() => { const e = document.getElementById('%s'); e.value = '%s'; e.dispatchEvent(new Event('%s')); })()"
    page.run(script % (name, value, event))


def test_one_digit_follows_class_seed_and_directions(opened: Page) -> None:
    seen = [picture(opened, "#digit canvas")]
    opened.run("document.querySelector('#digit-class input[value=\"7\"]').click()")
    seen.append(picture(opened, "#digit canvas"))
    assert text(opened, "digit-status") == "Digit 7 from seed 1"
    set_value(opened, "digit-seed", 5)
    seen.append(picture(opened, "#digit canvas"))
    at_seed_5 = seen[-1]
    for number in range(6):
        set_value(opened, f"digit-direction-{number}", 2)
        seen.append(picture(opened, "#digit canvas"))
    click(opened, "digit-reset")
    assert picture(opened, "#digit canvas") == at_seed_5
    click(opened, "digit-new")
    seen.append(picture(opened, "#digit canvas"))
    assert len(set(seen)) == len(seen)
    assert opened.run("document.querySelector('#digit canvas').getAttribute('aria-label')").startswith(
        "Generated digit 7"
    )


def test_a_walk_leads_from_one_to_the_other(opened: Page) -> None:
    start = picture(opened, "#walk > canvas")
    assert start == picture(opened, "#walk-strip canvas:first-child")
    set_value(opened, "walk-place", 100)
    assert picture(opened, "#walk > canvas") == picture(opened, "#walk-strip canvas:last-child") != start
    set_value(opened, "walk-to", 0, "change")
    assert text(opened, "walk-status") == "From digit 3 to 0"
    click(opened, "walk-new")
    set_value(opened, "walk-place", 0)
    assert picture(opened, "#walk > canvas") != start
    click(opened, "walk-play")
    opened.wait_for("Number(document.getElementById('walk-place').value) === 100")
    opened.wait_for("document.getElementById('walk-play').textContent === 'Walk'")


def test_a_number_is_written_and_what_is_no_digit_is_named(opened: Page) -> None:
    set_value(opened, "writing-text", "407x")
    assert opened.run("document.querySelectorAll('#writing-out canvas').length") == 3
    assert text(opened, "writing-status") == "Written: 407; it knows only 0 1 2 3 4 5 6 7 8 9"
    before = picture(opened, "#writing-out canvas")
    click(opened, "writing-one")
    click(opened, "writing-new")
    assert picture(opened, "#writing-out canvas") != before


def test_the_quiz_counts_and_names_the_network(opened: Page) -> None:
    """A round of right answers, one of wrong ones, and one that calls everything real, which half of it is."""
    data = opened.run("JSON.parse(document.getElementById('data').textContent)")
    real, accuracy = data["quiz"]["real"], data["network_accuracy"]
    for number, (told, score) in enumerate(((real, 20), ([not each for each in real], 0), ([True] * len(real), 10))):
        assert text(opened, "quiz-question") == "Digit 1 of 20"
        for answer in told[20 * number : 20 * (number + 1)]:
            click(opened, "quiz-real" if answer else "quiz-generated")
        expected = f"You were right in {score} of 20, {5 * score} %; the network in {100 * accuracy:.1f} %."
        assert text(opened, "quiz-status") == expected
        assert opened.run("document.querySelectorAll('#quiz-shown li.wrong').length") == 20 - score
        click(opened, "quiz-again")


def test_the_film_stops_at_any_moment_and_plays_to_the_end(opened: Page) -> None:
    frames = opened.run("JSON.parse(document.getElementById('data').textContent).frames.length")
    set_value(opened, "film-place", 0)
    assert text(opened, "film-status").startswith("after 32 thousand images")
    first = opened.run("document.getElementById('film-picture').src")
    set_value(opened, "film-place", frames - 2)
    click(opened, "film-play")
    opened.wait_for("document.getElementById('film-play').textContent === 'Play'")
    assert opened.run("document.getElementById('film-place').value") == str(frames - 1)
    assert opened.run("document.getElementById('film-picture').src") != first


def test_clicking_through_everything_leaves_no_error_and_asks_nobody(opened: Page, page_file: Path) -> None:
    opened.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    opened.run("document.querySelectorAll('button, summary, nav a, input').forEach((each) => each.click())")
    opened.run("new Promise((done) => setTimeout(done, 300))")
    requests = {event["request"]["url"] for event in opened.named("Network.requestWillBeSent")}
    asked = {url.partition("#")[0] for url in requests if not url.startswith("data:")}
    assert asked == {page_file.resolve().as_uri()}
    assert opened.named("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []


def test_the_page_s_policy_refuses_what_a_script_might_try_to_load(opened: Page) -> None:
    refused = "fetch('https://example.org').then(() => 'loaded', () => 'refused')"
    assert opened.run(refused) == "refused"
    assert [each["response"] for each in opened.named("Network.responseReceived") if "example" in str(each)] == []


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(opened: Page, width: int) -> None:
    opened.resize(width, 800)
    assert opened.run("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [360, 1200])
def test_nor_with_the_longest_name_of_a_class(browser: Page, finished: Path, tmp_path: Path, width: int) -> None:
    run, name = read_run(finished, every_param()), 100 * "m"
    classes, path = [name, *run.classes[1:]], "evaluate/confusion.csv"
    words = f"good: nothing; weakest class: {name} (1 % recognised)"
    evaluation = run.measured.evaluation.model_copy(update={"in_plain_words": words})
    run = replace(
        run,
        test=replace(run.test, classes=classes),
        samples=replace(run.samples, classes=classes),
        tables=run.tables | {path: run.tables[path].replace("0", name)},
        measured=replace(run.measured, evaluation=evaluation),
    )
    (tmp_path / "index.html").write_text(render(run, 1), encoding="utf-8")
    browser.resize(width, 800)
    browser.open(tmp_path / "index.html")
    assert browser.run("document.querySelector('.chip').textContent") == name
    assert browser.run("document.querySelector('.confusion tbody th').textContent") == name
    assert browser.run("document.documentElement.scrollWidth") == width


def test_light_and_dark_differ_and_both_can_be_read(opened: Page) -> None:
    contrasts = {}
    for scheme in ("light", "dark"):
        opened.prefer(color_scheme=scheme)
        ink, paper = (opened.run(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        contrasts[scheme] = contrast(ink, paper)
    assert min(contrasts.values()) > 7  # WCAG 2.2, AAA
    assert opened.run("getComputedStyle(document.body).backgroundColor") != "rgb(251, 250, 247)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_intervals_and_shaded_numbers_stand_out(opened: Page, scheme: str) -> None:
    """WCAG 2.2, AA: 3 for what controls and pictures are made of, 4.5 for text."""
    opened.prefer(color_scheme=scheme)
    opened.run("document.querySelector('.confusion td.wrong').className = 'wrong shade8'")
    paper, ink = (style(opened, "body", name) for name in ("backgroundColor", "color"))
    for field in ("#digit-seed", "#walk-from", ".chip span"):
        for ground in (paper, style(opened, ".card", "backgroundColor")):
            assert contrast(style(opened, field, "borderTopColor"), ground) >= 3, field
    opacity = float(style(opened, ".interval", "opacity"))
    stroke = style(opened, ".interval", "stroke").replace("rgb(", "rgba(").replace(")", f", {opacity})")
    assert contrast(over(stroke, paper), paper) >= 3
    assert contrast(ink, over(style(opened, ".wrong.shade8", "backgroundColor"), paper)) >= 4.5


def style(page: Page, selector: str, name: str) -> str:
    return str(page.run(f"getComputedStyle(document.querySelector('{selector}')).{name}"))


def over(colour: str, ground: str) -> str:
    """A colour with transparency on a ground."""
    *parts, alpha = (float(part) for part in colour.removeprefix("rgba(").removesuffix(")").split(","))
    grounds = (float(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(","))
    return f"rgb({', '.join(str(round(alpha * a + (1 - alpha) * b)) for a, b in zip(parts, grounds, strict=True))})"


def contrast(one: str, other: str) -> float:
    """Of two colours as CSS computes them: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    lights = sorted(luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_phone_shows_a_scale_under_every_ratio_and_all_of_each_caption(opened: Page) -> None:
    """The header with the scale has no room there; a caption stays beside the box that scrolls."""
    shown = "[...document.querySelectorAll('#figures > table .narrow')].map((each) => each.checkVisibility())"
    opened.resize(1200, 800)
    assert set(opened.run(shown)) == {False}
    opened.resize(360, 800)
    assert set(opened.run(shown)) == {True}
    assert opened.run("document.querySelector('.narrow').innerText.split(/\\s+/)") == ["0.25", "1", "4"]
    assert opened.run("document.getElementById('confusion-caption').getBoundingClientRect().right") <= 360


def stops(page: Page) -> list[str]:
    """The names of the boxes at which the keyboard stops, once the page was laid out again."""
    page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    return list(page.run("[...document.querySelectorAll('.scroll[tabindex]')].map((each) => each.ariaLabel)"))


def test_the_keyboard_stops_at_boxes_that_scroll_and_each_has_a_name_of_its_own(opened: Page) -> None:
    opened.resize(1400, 800)
    assert stops(opened) == []
    opened.resize(360, 800)
    names = stops(opened)
    assert {"Confusion matrix", "Files and their hashes", "Histograms of the discriminator's logits."} <= set(names)
    assert len(set(names)) == len(names)


def test_the_keyboard_goes_on_after_the_last_answer(opened: Page) -> None:
    for _ in range(20):
        opened.run("document.getElementById('quiz-real').focus()")
        click(opened, "quiz-real")
    assert opened.run("document.activeElement.id") == "quiz-again"


ROLES = {"button", "link", "slider", "textbox", "spinbutton", "combobox", "radio", "checkbox", "image", "figure", "img"}


def test_a_screen_reader_finds_landmarks_headings_and_a_name_for_every_control(opened: Page) -> None:
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node["ignored"]]
    roles = [node["role"]["value"] for node in seen]
    assert {"main", "navigation", "banner", "contentinfo", "status"} <= set(roles)
    needing = [node for node in seen if node["role"]["value"] in ROLES - {"figure"}]
    assert len(needing) > 40
    assert [node["role"]["value"] for node in needing if not node["name"]["value"].strip()] == []
    levels = opened.run("[...document.querySelectorAll('h1, h2, h3')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_paper_shows_the_figures_and_nothing_to_press(opened: Page) -> None:
    opened.send("Emulation.setEmulatedMedia", media="print")
    shown = "[...document.querySelectorAll('button, input, select')].filter((each) => each.checkVisibility()).length"
    assert opened.run(shown) == 0
    assert opened.run("document.querySelector('table.figures').checkVisibility()")
    opened.send("Emulation.setEmulatedMedia", media="")

"""The arithmetic of the gray scale, by hand and by the formulas of PS3.3 as they are printed."""

import math

import numpy as np
import pytest

from wetread.images.grayscale import (
    Layout,
    LookupTable,
    Window,
    apply_window,
    full_range,
    is_usable,
    look_up,
    percentile_window,
    pixel_histogram,
    render,
    stored_values,
)

NO_PADDING = np.zeros(0, np.int64)


def printed(x: float, c: float, w: float, function: str) -> float:
    """Pseudo code of PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1, y from 0 to 1."""
    if function == "SIGMOID":
        return 1 / (1 + math.exp(min(-4 * (x - c) / w, 700)))
    if function == "LINEAR_EXACT":
        if x <= c - w / 2:
            return 0.0
        return 1.0 if x > c + w / 2 else (x - c) / w + 0.5
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    return 1.0 if x > c - 0.5 + (w - 1) / 2 else (x - (c - 0.5)) / (w - 1) + 0.5


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("center", "width"),
    [(2048.0, 4096.0), (2048.0, 1.0), (0.0, 100.0), (0.0, 1.0), (40.5, 400.0), (-600.0, 1500.5)],
)
def test_windows_are_the_formulas_of_the_standard(center: float, width: float, function):
    values = np.arange(-1500.0, 5000.0)
    expected = [printed(x, center, width, function) for x in values]
    window = Window(center, width, function)
    np.testing.assert_allclose(apply_window(values, window), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("window", "value", "brightness"),
    [
        # C.11.2.1.2.1: center 2048, width 4096 is 0 to 4095; width 1 is a threshold.
        (Window(2048.0, 4096.0), 0, 0.0),
        (Window(2048.0, 4096.0), 1, 1 / 4095),
        (Window(2048.0, 4096.0), 4094, 4094 / 4095),
        (Window(2048.0, 4096.0), 4095, 1.0),
        (Window(2048.0, 1.0), 2047, 0.0),
        (Window(2048.0, 1.0), 2048, 1.0),
        (Window(0.0, 100.0), -50, 0.0),
        (Window(0.0, 100.0), 0, 50 / 99),
        (Window(0.0, 100.0), 49, 1.0),
        # C.11.2.1.3.2: center 2048, width 4096 is 0 to 4096.
        (Window(2048.0, 4096.0, "LINEAR_EXACT"), 4095, 4095 / 4096),
        (Window(0.0, 100.0, "LINEAR_EXACT"), 0, 0.5),
        (Window(0.0, 100.0, "LINEAR_EXACT"), 25, 0.75),
        (Window(0.0, 1.0, "LINEAR_EXACT"), 1, 1.0),
        # C.11.2.1.3.1
        (Window(100.0, 40.0, "SIGMOID"), 100, 0.5),
        (Window(100.0, 40.0, "SIGMOID"), 110, 1 / (1 + math.exp(-1))),
        (Window(100.0, 1e-5, "SIGMOID"), 0, 0.0),
    ],
)
def test_windows_by_hand(window: Window, value: float, brightness: float):
    assert apply_window(np.array([float(value)]), window)[0] == pytest.approx(brightness, abs=1e-12)


@pytest.mark.parametrize(
    ("window", "usable"),
    [
        (Window(5.0, 0.0), False), (Window(5.0, 0.5), False),
        (Window(5.0, 1.0), True), (Window(5.0, -3.0), False),
        (Window(5.0, 0.5, "LINEAR_EXACT"), True), (Window(5.0, 0.0, "LINEAR_EXACT"), False),
        (Window(5.0, 0.5, "SIGMOID"), True), (Window(5.0, 0.0, "SIGMOID"), False),
    ],
)  # fmt: skip
def test_widths_that_the_standard_allows(window: Window, usable: bool):
    assert is_usable(window) == usable


@pytest.mark.parametrize(
    ("layout", "pixel", "value"),
    [
        (Layout(16, 12, 11, False), 0x0ABC, 0xABC),
        (Layout(16, 12, 11, False), 0xFABC, 0xABC),
        (Layout(16, 12, 15, False), 0xABC7, 0xABC),
        (Layout(16, 12, 11, True), 0x07FF, 2047),
        (Layout(16, 12, 11, True), 0x0800, -2048),
        (Layout(16, 12, 11, True), 0xFFFF, -1),
        (Layout(16, 16, 15, True), 0x8000, -32768),
        (Layout(8, 8, 7, True), 0xFF, -1),
        (Layout(8, 6, 6, False), 0b1111_1110, 0b111111),
    ],
)
def test_stored_values_by_hand(layout: Layout, pixel: int, value: int):
    values = stored_values(layout)
    assert len(values) == 1 << layout.allocated
    assert values[pixel] == value


def test_a_table_holds_its_first_and_last_entry_beyond_its_ends():
    table = LookupTable(10, 8, np.array([5, 7, 9], np.uint8))
    values = np.array([-100.0, 9, 10, 10.6, 11, 12, 13, 1e6])
    assert look_up(values, table).tolist() == [5, 5, 5, 7, 7, 9, 9, 9]


def test_the_full_range_goes_from_black_to_white():
    assert full_range(np.array([3.0, 1.0, 2.0])).tolist() == [1.0, 0.0, 0.5]
    assert full_range(np.array([7.0, 7.0])).tolist() == [0.0, 0.0]


def test_percentiles_leave_out_half_a_percent_at_each_end():
    """1,000 pixels 1 to 1000, four far above and four far below."""
    histogram = np.zeros(4096, np.int64)
    histogram[101:1093] = 1
    histogram[0], histogram[4095] = 4, 4
    values = np.arange(4096.0)
    window = percentile_window(values, histogram)
    assert (window.center - window.width / 2, window.center + window.width / 2) == (101, 1091)
    turned = percentile_window(-values, histogram)
    assert turned.center + turned.width / 2 == -102
    assert apply_window(np.full(1, 5.0), percentile_window(values, np.zeros(4096, int))).size


def test_a_histogram_counts_every_pixel_of_a_small_film_and_a_share_of_a_large_one():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert pixel_histogram(pixels, 8)[:13].tolist() == [1] * 12 + [0]
    assert pixel_histogram(np.zeros((3000, 3000), np.uint16), 16)[0] == 1000**2


def test_rendering_rounds_and_blackens_padding():
    brightness = np.zeros(256)
    brightness[:4] = 0.0, 0.5, 0.999, 1.0
    pixels = np.array([[0, 1], [2, 3]], np.uint8)
    shown = render(pixels, brightness, inverse=False, padding=NO_PADDING)
    assert shown.tolist() == [[0, 128], [255, 255]]
    turned = render(pixels, brightness, inverse=True, padding=np.array([0]))
    assert turned.tolist() == [[0, 128], [0, 0]]

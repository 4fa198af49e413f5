"""Charts as PNG: with the extra that draws them, without it, and on a machine that cannot draw text."""

import io
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from ops_orchestrator.charts.band_chart import band_chart
from ops_orchestrator.charts.plot import Group, Plot
from ops_orchestrator.charts.png import png
from ops_orchestrator.charts.sheet import Caption
from ops_orchestrator.charts.spread import Spread
from ops_orchestrator.charts.svg import BLUE

GROUPS = tuple(Group(str(at), at, (1.0, 2.0, 3.0), Spread(1.0, 2.0, 3.0), 2.5) for at in (1, 2, 3))
CHART = band_chart(Caption("Public debt", is_synthetic=True), Plot(GROUPS, "rate"))


def test_png_is_sharp_and_has_the_colours_of_the_chart() -> None:
    image = Image.open(io.BytesIO(png(CHART))).convert("RGB")
    colours = {colour: count for count, colour in image.getcolors(1 << 20) or ()}
    assert image.width == 2 * 760
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert colours[tuple(bytes.fromhex(BLUE[1:]))] > 1_000


def test_same_chart_gives_the_same_bytes() -> None:
    assert png(CHART) == png(CHART)


def said(program: str, **environment: str) -> str:
    """What a Python program prints in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", program], env={**os.environ, **environment}, check=True, capture_output=True)
    return ran.stdout.decode().strip()


def test_machine_without_fonts_draws_no_png_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "fonts.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    program = "from ops_orchestrator.charts.png import why_not_png; print(why_not_png())"
    assert "no font" in said(program, FONTCONFIG_FILE=str(tmp_path / "fonts.conf"))
    assert said(program) == ""


def test_library_is_not_loaded_before_a_png_is_drawn() -> None:
    program = "import sys, ops_orchestrator.runs.sweeps.charts; print('pyvips' in sys.modules)"
    assert said(program) == "False"


def test_without_the_library_a_sweep_has_svg_files_only() -> None:
    program = """
import sys
sys.modules["pyvips"] = None
from ops_orchestrator.planning.sweep import Parameter
from ops_orchestrator.runs.sweeps.charts import write_charts
from ops_orchestrator.runs.sweeps.table import FigureCell, FigureColumn, SweepRow, SweepTable
row = SweepRow(1, (0.18,), 42, "completed", "run_1", (FigureCell(0.5),))
table = SweepTable("sweep_1", "vat", (Parameter("/rate", "rate"),), (FigureColumn("policy", "debt", "Debt"),), (row,))
print(write_charts(lambda name, _: print(name), table))
"""
    assert said(program).split() == ["debt.svg", "()"]

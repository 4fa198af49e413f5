"""What a million runs cost on paper: bytes, puts and processor time, as measured or simulated, at your prices.

    python benchmarks/run_cost.py --gib-month 0.023 --thousand-puts 0.005 --cpu-hour 0.04 --months 12

Without prices it says the quantities alone; `--write` writes the section of docs/scale.md.
"""

import argparse
from typing import Final, NamedTuple

from run_folder import RunFolder, read_folder
from scale_page import table, wrapped, write_section
from simulated_cluster import AT_ONCE

RUNS: Final = 1_000_000


class Quantity(NamedTuple):
    """How much of something a million runs need, in the `unit` of its price."""

    name: str
    amount: float
    unit: str
    option: str
    how: str


def quantities(folder: RunFolder) -> tuple[Quantity, ...]:
    """What a million runs of the example scenario need."""
    gib = RUNS * folder.bytes / 2**30
    sent = f"{RUNS * folder.sent_bytes / 2**30:,.0f} GiB are sent for it"
    cpu_s, database_s = AT_ONCE.worker_cpu_s, AT_ONCE.claim_s + AT_ONCE.finish_s
    return (
        Quantity("stored", gib, "GiB and month", "gib-month", f"{folder.bytes:,} bytes a run in {folder.files} files; {sent}"),
        Quantity("puts", RUNS * folder.puts / 1000, "1,000 puts", "thousand-puts", f"{folder.puts} puts a run"),
        Quantity("workers", RUNS * cpu_s / 3600, "CPU hour", "cpu-hour", f"{cpu_s * 1000:.1f} ms a run"),
        Quantity("database", RUNS * database_s / 3600, "CPU hour", "cpu-hour", f"{database_s * 1000:.1f} ms a run"),
    )


def section(folder: RunFolder) -> str:
    """What docs/scale.md says of it."""
    rows = [[each.name, f"{each.amount:,.1f}", each.unit, f"`--{each.option}`", each.how] for each in quantities(folder)]
    about = wrapped(
        f"A million runs of the example scenario, from the folder of one (commit {folder.commit}) and the times above. Modules"
        " are not in it: what they compute is theirs."
    )
    return f"{about}\n\n{table(['of a million runs', 'amount', 'unit', 'your price', 'because'], rows)}"


def main() -> None:
    """Print the quantities, and with prices what they cost; write the section when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, help_text in {
        "gib-month": "price of a GiB that is stored for a month",
        "thousand-puts": "price of 1,000 puts",
        "cpu-hour": "price of a processor for an hour",
    }.items():
        parser.add_argument(f"--{option}", type=float, default=0.0, metavar="PRICE", help=help_text)
    parser.add_argument("--months", type=float, default=1.0, metavar="N", help="how long runs are kept (1)")
    parser.add_argument("--write", action="store_true", help="write the section of docs/scale.md")
    arguments = parser.parse_args()
    total = 0.0
    for each in quantities(read_folder()):
        price = getattr(arguments, each.option.replace("-", "_"))
        cost = each.amount * price * (arguments.months if each.option == "gib-month" else 1.0)
        total += cost
        print(f"{each.name:10}{each.amount:12,.1f} {each.unit:15}{cost:12,.2f}   {each.how}")
    print(f"{'in all':38}{total:12,.2f}")
    if arguments.write:
        write_section("cost", section(read_folder()))


if __name__ == "__main__":
    main()

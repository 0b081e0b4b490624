"""The table."""

DISTURBED = 0.1  # the share of the processors that others may have


def quantity(value, unit):
    if unit == "us" and abs(value) >= 1000:
        value, unit = value / 1000, "ms"
    if unit == "/s" and value >= 10_000:
        value, unit = value / 1000, "k/s"
    if unit == "B":
        return f"{value:,.0f} B"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f} {unit}"


def times(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def verdict(row, others):
    if row["lost"]:
        return f"LOST {row['lost']}"
    word = {True: "ok", False: "no", None: ""}[row["ok"]]
    return f"{word} ?".strip() if others > DISTURBED else word


def rival_cells(result, row, name):
    """Value and ratio of another server."""
    if name in result["against_failed"]:
        return ("FAILED", "-")
    figures = row["against"].get(name)
    if figures is None:
        return ("-", "-")
    if figures["lost"]:
        return (f"LOST {figures['lost']}", "-")
    return (quantity(figures["value"], row["unit"]), times(figures["ratio"]))


def table(results, base, rivals=()):
    lines = [("scenario", base, "server", "ratio", *(c for name in rivals for c in (name, "ratio")), "aim", "")]
    for result in results:
        for state in ("skipped", "failed"):
            if state in result:
                lines.append((result["name"], f"{state.upper()}: {result[state]}"))
        for row in result["rows"]:
            lines.append(
                (
                    row["title"],
                    quantity(row["base"], row["unit"]),
                    quantity(row["server"], row["unit"]),
                    times(row["ratio"]),
                    *(cell for name in rivals for cell in rival_cells(result, row, name)),
                    row["aim"],
                    verdict(row, result["others"]),
                )
            )
    whole = [line for line in lines if len(line) > 2]
    widths = [max(len(line[i]) for line in whole) for i in range(len(whole[0]))]
    widths[0] = max(len(line[0]) for line in lines)
    for line in lines:
        if len(line) == 2:
            print(f"{line[0]:<{widths[0]}}  {line[1]}")
        else:
            cells = [f"{line[0]:<{widths[0]}}"]
            cells += [f"{line[i]:>{widths[i]}}" for i in range(1, len(line) - 1)]
            print("  ".join([*cells, line[-1]]).rstrip())


def notes(results):
    """Notes below the table."""
    said = [note for result in results for note in result.get("notes", [])]
    for result in results:
        for name, why in result.get("against_failed", {}).items():
            said.append(f"{result['name']}: {why if why.startswith(name) else f'{name}: {why}'}")
    others = max((result.get("others", 0) for result in results), default=0)
    if others > DISTURBED:
        said.append(
            f"?: other processes had more than {DISTURBED:.0%} of the two processors in a run of it"
            f" (up to {others:.0%}): do not trust it, repeat it"
        )
    return said


def report(about, results, runs):
    """Prints the whole report."""
    print(
        f"{about['server']}, {about['processor']}, Linux {about['kernel']};"
        f" medians of {runs}, ratio: median of the ratios of pairs"
    )
    for name, command in about["against"].items():
        print(f"{name}: {' '.join(command.split())}")
    for own, base in ((False, "floor"), (True, "base")):
        part = [result for result in results if result["own"] == own]
        if part:
            print()
            table(part, base, compared_rivals(part, about["against"]))
    said = notes(results)
    if said:
        print()
        for note in said:
            print(note)


def compared_rivals(results, names):
    """The servers with a column: those measured in at least one of these scenarios."""
    return [
        name
        for name in names
        if any(
            name in result.get("against_failed", {}) or any(name in row["against"] for row in result["rows"])
            for result in results
        )
    ]


def complete(results, wanted):
    """True if all selected scenarios have figures, and no message was lost."""
    return len(results) == wanted and not any(
        "failed" in result
        or result.get("against_failed")
        or any(row["lost"] or any(a["lost"] for a in row["against"].values()) for row in result["rows"])
        for result in results
    )

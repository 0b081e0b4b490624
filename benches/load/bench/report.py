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


def verdict(row, others):
    if row["lost"]:
        return f"LOST {row['lost']}"
    word = {True: "ok", False: "no", None: ""}[row["ok"]]
    return f"{word} ?".strip() if others > DISTURBED else word


def table(results, base):
    lines = [("scenario", base, "server", "ratio", "aim", "")]
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
                    "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
                    row["aim"],
                    verdict(row, result["others"]),
                )
            )
    whole = [line for line in lines if len(line) > 2]
    widths = [max(len(line[i]) for line in whole) for i in range(6)]
    widths[0] = max(len(line[0]) for line in lines)
    for line in lines:
        if len(line) == 2:
            print(f"{line[0]:<{widths[0]}}  {line[1]}")
        else:
            cells = [f"{line[0]:<{widths[0]}}"]
            cells += [f"{line[i]:>{widths[i]}}" for i in range(1, 5)]
            print("  ".join([*cells, line[5]]).rstrip())

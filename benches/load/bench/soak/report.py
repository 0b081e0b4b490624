"""The report at the end."""

DISTURBED = 0.1  # the share of the processors that others may have


def table(facts, figures, counts):
    seconds = facts["minutes"] * 60
    print(
        f"{facts['server']}; {facts['minutes']:g} minutes, {facts['rate']:g} connections a second,"
        f" {facts['workers']} processors"
    )
    print()
    print(f"{'':<26}{'count':>12}{'a second':>12}")
    for what, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"{what:<26}{count:>12,}{count / seconds:>12,.1f}")
    if "rss_kib" in figures:
        print()
        print(f"{'':<26}" + "".join(f"{when:>12}" for when in figures["rss_kib"]))
        for title, name in (("resident, KiB", "rss_kib"), ("private dirty, KiB", "private_dirty_kib")):
            print(f"{title:<26}" + "".join(f"{value:>12,}" for value in figures[name].values()))
        print()
        print(f"{'slope, KiB a minute':<26}{figures['slope_kib_per_minute']:>12,}")
        print(f"{'last against second':<26}{figures['drift']:>+12.2%}")
        print(f"{'CPU of one processor':<26}{figures['cpu']:>12.1%}")
    print(f"{'processors of others':<26}{figures['others_busy']:>12.1%}")
    print()


def verdict(figures, wrong):
    if figures["others_busy"] > DISTURBED:
        print("?: other processes had much of the processors: what waits meanwhile is memory; repeat it")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    if not wrong:
        print("ok: the memory is flat, nothing was lost, and nothing is left")

"""One number for how a backend is: the worst of what holds. The gauges per phase would be unreadable side by side."""

from panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, mapped, of

STATES = {
    0: ("idle", GREY),
    1: ("ready", GREEN),
    2: ("draining", BLUE),
    3: ("launching", BLUE),
    4: ("some failing", YELLOW),
    5: ("backing off", ORANGE),
    6: ("stopped", RED),
    7: ("breaker open", "dark-red"),
}
MAPPINGS = mapped(STATES)
MEANING = (
    "idle: no server runs, the next request starts one. ready: all servers answer. some failing: some are ready, others "
    "back off or are stopped. backing off, stopped: none is ready. breaker open: no server is started for a while."
)


def state(by):
    """The state per value of the labels `by`."""

    def phase(names, test):
        connections = of("mcpvisor_connections", f'phase=~"{names}"')
        return f"(sum by ({by}) ({connections}) {test} bool 0)"

    none_ready = phase("ready", "==")
    # `max` of one operand per state: each is its number, or 0.
    known = [
        phase("ready", ">"),
        f'2 * {phase("draining", ">")} * {none_ready}',
        f'3 * {phase("launching", ">")} * {none_ready}',
        f'4 * {phase("backing_off|stopped", ">")}',
        f'5 * {phase("backing_off", ">")} * {none_ready}',
        f'6 * {phase("stopped", ">")} * {none_ready}',
        f'7 * max by ({by}) ({of("mcpvisor_breaker_open")})',
    ]
    # Without a label of their own `or` would keep the first operand only.
    tagged = [f'label_replace({one}, "state", "{number}", "", "")' for number, one in enumerate(known, 1)]
    return f"max by ({by}) (" + " or ".join(tagged) + ")"

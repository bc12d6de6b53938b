# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is to say of all tests of the embedded programs together."""

import pytest


def write_figures(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of fidelity: what was compared with the real programs, and was equal."""
    passed = [
        report
        for report in terminalreporter.stats.get("passed", [])
        if report.when == "call" and "tests/embedded/" in report.nodeid
    ]
    names = [report.nodeid.partition("::")[2].partition("[")[0] for report in passed]
    lines = names.count("test_a_command_line_answers_as_the_real_program_does")
    if not lines:
        return
    from tests.embedded.test_faults_fidelity import KNOWN as INJECTED

    properties = [entry for report in passed for entry in report.user_properties]
    pairs = sum(int(str(n)) for key, n in properties if key == "pairs")
    faults = sum(int(str(n)) for key, n in properties if key == "faults")
    traces = names.count("test_the_lock_calls_are_those_of_the_real_program")
    held = names.count("test_a_waiting_holder_holds_the_same_bytes")
    terminalreporter.section("fidelity of the embedded programs")
    refused = names.count("test_what_is_not_served_is_refused_by_name_and_touches_nothing")
    terminalreporter.line(f"command lines equal: {lines}; refused by name: {refused}")
    terminalreporter.line(f"lock traces equal: {traces}")
    terminalreporter.line(f"holders with equal /proc/locks: {held}")
    terminalreporter.line(f"mixed pairs equal: {pairs}")
    terminalreporter.line(f"runs with an injected errno equal: {faults}")
    for plan, reason in INJECTED.items():
        terminalreporter.line(f"  listed difference: {plan}: {reason}")

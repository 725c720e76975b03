"""The wire steps that every backend writes: `from vmsc import plan`, then `plan.Run`."""

from __future__ import annotations

from vmsc.plan.nodes import (
    Assert,
    Blob,
    Break,
    Call,
    Custom,
    Form,
    Gate,
    Group,
    Keep,
    Let,
    Maybe,
    Member,
    Node,
    Num,
    Pairs,
    Plan,
    Program,
    Relation,
    Rep,
    Rest,
    Row,
    Run,
    RunField,
    Split,
    Step,
    Stop,
    Subsection,
    Switch,
    Tagged,
    Tail,
    Text,
    Total,
    Value,
    Window,
    Words,
)

__all__ = [
    "Assert", "Blob", "Break", "Call", "Custom", "Form", "Gate", "Group", "Keep", "Let", "Maybe",
    "Member", "Node", "Num", "Pairs", "Plan", "Program", "Relation", "Rep", "Rest", "Row", "Run",
    "RunField", "Split", "Step", "Stop", "Subsection", "Switch", "Tagged", "Tail", "Text", "Total",
    "Value",
    "Window", "Words",
]  # fmt: skip

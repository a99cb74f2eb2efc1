"""What the documentation shows: an invented ticket and its answers, the same in every place."""

from typing import Any

from pydantic import JsonValue

from data.schema import Prediction, Record, Ticket

TICKET: dict[str, JsonValue] = {
    "id": "T-1042",
    "subject": "VPN keeps disconnecting",
    "text": "Since this morning the VPN drops every few minutes. I restarted the laptop twice, "
    "it did not help. Could somebody have a look?",
    "language": "en",
}
"""The ticket of the documentation; invented, as are the labels of its answer."""

OTHER_TICKET: dict[str, JsonValue] = {
    "id": "T-1043",
    "subject": "New keyboard",
    "text": "The space bar of my keyboard is broken, please order a new one.",
}

PREDICTION: dict[str, JsonValue] = {
    "ticket_id": "T-1042",
    "bundle": "your-tickets-1f0c2a9b",
    "fallback": False,
    "language": "en",
    "targets": {
        "team": {
            "label": "networking",
            "confidence": 0.97,
            "decision": "auto",
            "reason": "certified",
            "threshold": 0.81,
            "shortlist": [],
            "words": [{"word": "vpn", "weight": 2.4}, {"word": "disconnecting", "weight": 0.9}],
            "evidence": [],
        }
    },
    "sentiment": {"label": "neutral", "probability": 0.83},
    "entities": [],
    "novelty": 0.61,
    "similar": [
        {
            "id": "T-0871",
            "similarity": 0.88,
            "labels": {"team": "networking"},
            "resolution": "Replaced the VPN profile",
        }
    ],
    "degraded": [],
    "tier": None,
}

DECISION: dict[str, JsonValue] = {
    **PREDICTION,
    "targets": {
        "team": {
            "label": "networking",
            "confidence": 0.98,
            "decision": "auto",
            "reason": "certified",
            "threshold": 0.93,
            "shortlist": [],
            "words": [],
            "evidence": [],
        }
    },
    "sentiment": None,
    "novelty": None,
    "similar": [],
    "tier": "linear",
}
"""The answer to the same ticket where only the decision is asked for."""

OTHER_PREDICTION: dict[str, JsonValue] = {
    **PREDICTION,
    "ticket_id": "T-1043",
    "similar": [],
    "targets": {
        "team": {
            "label": "workplace",
            "confidence": 0.62,
            "decision": "review",
            "reason": "below_threshold",
            "threshold": 0.79,
            "words": [{"word": "keyboard", "weight": 1.7}],
            "evidence": [],
            "shortlist": [
                {"label": "workplace", "probability": 0.62},
                {"label": "purchasing", "probability": 0.35},
            ],
        }
    },
}

SIMILAR: dict[str, JsonValue] = {
    "bundle": "your-tickets-1f0c2a9b",
    "neighbours": PREDICTION["similar"],
    "support": {"team": [{"label": "networking", "tickets": 1}]},
}

EXAMPLES: dict[type[Record], dict[str, JsonValue]] = {
    Ticket: TICKET,
    Prediction: PREDICTION,
}


def example(media: JsonValue, description: str = "OK") -> dict[str, Any]:
    """A response's documentation with its example."""
    return {"description": description, "content": {"application/json": {"example": media}}}


def examples(description: str = "OK", **media: JsonValue) -> dict[str, Any]:
    """A response's documentation with several examples by name."""
    told = {name: {"value": value} for name, value in media.items()}
    return {"description": description, "content": {"application/json": {"examples": told}}}

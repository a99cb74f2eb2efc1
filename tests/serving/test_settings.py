import pytest
from pydantic import ValidationError

from serving.settings import Settings


def test_defaults_are_those_of_the_contract() -> None:
    settings = Settings()
    assert settings.max_body_bytes == 2**20
    assert settings.max_tickets == 256
    assert settings.max_text == 50_000
    assert settings.threads == 1
    assert settings.audit_share == 0.02
    assert settings.follow_seconds <= 5


def test_the_environment_turns_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_MAX_TICKETS", "8")
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", "memory://bundles")
    settings = Settings()
    assert settings.max_tickets == 8
    assert settings.bundle_store == "memory://bundles"


def test_other_variables_of_the_project_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_MIRROR", "somewhere")
    assert Settings() == Settings.model_validate({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TEXT", "50001"),
        ("THREADS", "0"),
        ("TIMEOUT_SECONDS", "0"),
        ("MAX_BODY_BYTES", "much"),
        ("AUDIT_SHARE", "1.1"),
        ("SHADOW_QUEUE", "0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TICKETS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_queue_too_short_for_a_full_batch_is_refused() -> None:
    with pytest.raises(ValidationError, match="a full batch could never be accepted"):
        Settings.model_validate({"max_tickets": 100, "max_waiting": 99})


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValidationError):
        Settings().threads = 2  # type: ignore[misc]


def test_a_runtime_is_pinned_by_its_name_and_an_unknown_one_refuses_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (Settings().runtime, Settings().precision) == ("auto", "same")
    monkeypatch.setenv("TICKETS_RUNTIME", "openvino-bf16")
    assert Settings().runtime == "openvino-bf16"
    monkeypatch.setenv("TICKETS_RUNTIME", "tensorrt")
    with pytest.raises(ValidationError, match="must be one of auto, torch, onnxruntime-f32"):
        Settings()

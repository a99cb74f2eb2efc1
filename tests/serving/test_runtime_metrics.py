"""What computes the networks can be seen in the metrics and in the model card."""

from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from models.runtime_choice import RuntimeChoice
from serving.contract import runtime_of
from serving.runtime_metrics import RuntimeMetrics


def test_loads_are_counted_by_runtime_and_timings_told_in_seconds() -> None:
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry)
    metrics.loaded(RuntimeChoice(name="fast", asked="auto", milliseconds={"fast": 4, "slow": 12}))
    metrics.loaded(RuntimeChoice(name="fast", asked="auto", milliseconds={"fast": 5}))
    metrics.loaded(RuntimeChoice())
    loads = "tickets_bundle_loads_total"
    assert registry.get_sample_value(loads, {"runtime": "fast"}) == 2
    assert registry.get_sample_value(loads, {"runtime": "torch"}) == 1
    seconds = "tickets_runtime_seconds"
    assert registry.get_sample_value(seconds, {"runtime": "fast"}) == 0.005
    assert registry.get_sample_value(seconds, {"runtime": "slow"}) == 0.012


def test_the_card_tells_the_runtime_of_an_assistant_that_knows_it() -> None:
    choice = RuntimeChoice(name="onnxruntime-f32", asked="auto")
    assert runtime_of(SimpleNamespace(facts=SimpleNamespace(runtime=choice))) == choice
    assert runtime_of(object()) is None

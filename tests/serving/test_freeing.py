import gc
import weakref
from collections.abc import Iterator

import pytest

from data.collecting import YOUNG
from serving.freeing import MAX_COLLECTIONS, Former, trim


class Network:
    """Refers to itself, so that counting references does not free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _no_collection_by_luck() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_nobody_holds_is_freed_at_once() -> None:
    former, network = Former(), Network()
    seen = weakref.ref(network)
    former.leave([network])
    del network
    assert seen() is not None
    former.tidy()
    assert seen() is None


class Bundle:
    """Is no cycle, and holds one."""

    def __init__(self) -> None:
        self.network = Network()


def test_the_networks_of_a_bundle_go_with_it_though_it_went_before_them() -> None:
    former, bundle = Former(), Bundle()
    seen = weakref.ref(bundle.network)
    former.leave([bundle])
    del bundle
    assert seen() is not None
    former.tidy()
    assert seen() is None


def test_what_the_last_request_leaves_behind_is_freed_whenever_it_ends() -> None:
    former, bundle = Former(), Bundle()
    seen = weakref.ref(bundle.network)
    former.leave([bundle])
    for _ in range(2 * MAX_COLLECTIONS):
        former.tidy()
    del bundle
    former.tidy()
    assert seen() is None


def test_what_a_request_holds_is_freed_when_it_has_ended() -> None:
    former, held = Former(), Network()
    seen = weakref.ref(held)
    former.leave([held])
    former.tidy()
    assert seen() is held
    del held
    former.tidy()
    assert seen() is None


def test_what_is_never_let_go_does_not_stop_the_world_for_ever() -> None:
    former, kept, stray = Former(), Network(), Network()
    seen = weakref.ref(stray)
    former.leave([kept])
    for _ in range(MAX_COLLECTIONS):
        former.tidy()
    assert seen() is stray
    del stray
    former.tidy()
    assert seen() is not None


def test_a_bundle_that_stays_is_no_work_for_collections_and_freed_when_it_was_replaced() -> None:
    former, bundle = Former(spare=True), Bundle()
    seen = weakref.ref(bundle.network)
    former.leave([])
    former.tidy()
    assert not any(one is bundle.network for one in gc.get_objects())  # what collections look at
    assert gc.get_threshold()[0] == YOUNG
    former.leave([bundle])
    del bundle
    former.tidy()
    assert seen() is None


def test_what_is_still_held_is_not_frozen() -> None:
    former, held = Former(spare=True), Network()
    former.leave([])
    former.tidy()
    former.leave([held])
    former.tidy()
    seen = weakref.ref(held)
    del held
    gc.collect()
    assert seen() is None


def test_a_process_that_does_more_than_serve_keeps_its_collections() -> None:
    kept, former = Network(), Former()
    before = gc.get_threshold()
    gc.freeze()  # by somebody else
    former.leave([])
    former.tidy()
    assert gc.get_threshold() == before
    assert not any(one is kept for one in gc.get_objects())


def test_trimming_breaks_nothing() -> None:
    kept = bytearray(b"x") * 2**20
    trim()
    assert kept == b"x" * 2**20

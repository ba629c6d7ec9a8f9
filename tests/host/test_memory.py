import psutil

from meshd.host import memory

MB = 1_000_000


def test_what_a_process_keeps_is_private_and_resident() -> None:
    before = memory.private_bytes()
    kept = bytearray(50 * MB)
    for page in range(0, len(kept), 4096):
        kept[page] = 1
    grown = memory.private_bytes() - before
    assert 45 * MB < grown < 60 * MB
    assert memory.resident_bytes() > memory.private_bytes()
    del kept
    memory.give_back()
    assert memory.private_bytes() - before < 10 * MB


def test_free_memory_is_some_of_all_memory() -> None:
    assert 0 < memory.free_bytes() < psutil.virtual_memory().total

from madang_gateway.recent_keys import Key, RecentKeys, digest, key_of


def key(name: str) -> Key:
    return key_of("rooms.a", "mina", name)


def test_a_key_is_remembered_for_at_least_its_time() -> None:
    keys = RecentKeys(60, count=1000)
    keys.age(0)
    keys.age(59)
    keys.add(key("a"), (1, 1))

    keys.age(60)
    keys.age(119)

    assert keys.get(key("a")) == (1, 1)


def test_a_key_is_forgotten_after_two_generations() -> None:
    keys = RecentKeys(60, count=1000)
    keys.age(0)
    keys.add(key("a"), (1, 1))

    keys.age(60)
    keys.age(120)

    assert keys.get(key("a")) is None
    assert len(keys) == 0


def test_too_many_keys_make_a_new_generation_before_the_time() -> None:
    keys = RecentKeys(60, count=2)
    keys.age(0)
    for name in ("a", "b"):
        keys.add(key(name), (1, 1))
    keys.age(1)
    for name in ("c", "d"):
        keys.add(key(name), (1, 1))
    assert len(keys) == 4

    keys.age(2)

    assert [keys.get(key(name)) is not None for name in "abcd"] == [False, False, True, True]


def test_keys_of_other_senders_and_rooms_are_other_keys() -> None:
    keys = RecentKeys(60, count=10)
    keys.add(key("1"), (1, 1))

    assert keys.get(key_of("rooms.b", "mina", "1")) is None
    assert keys.get(key_of("rooms.a", "jun", "1")) is None


def test_the_time_begins_when_the_clock_is_first_seen() -> None:
    keys = RecentKeys(60, count=10)
    keys.add(key("a"), (1, 1))

    keys.age(1_000_000)
    keys.age(1_000_059)

    assert keys.get(key("a")) == (1, 1)


def test_a_digest_stands_for_the_data_whatever_its_order() -> None:
    assert digest({"a": 1, "b": "x"}) == digest({"b": "x", "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})

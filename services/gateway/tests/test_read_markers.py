from madang_gateway.subscribe.read_markers import ReadMarkers

Told = list[tuple[str, int]]


def markers() -> tuple[ReadMarkers, Told]:
    told: Told = []
    return ReadMarkers(lambda room, position: told.append((room, position))), told


def test_a_marker_is_told_at_once_and_then_once_per_tick() -> None:
    mine, told = markers()

    mine.move("yard", 1)
    assert told == [("yard", 1)]
    mine.move("yard", 2)
    mine.move("yard", 3)
    mine.move("well", 9)
    assert told == [("yard", 1), ("well", 9)]

    mine.tick()
    assert told[2:] == [("yard", 3)]
    mine.move("yard", 4)
    mine.tick()
    assert told[3:] == [("yard", 4)]
    mine.tick()
    mine.move("yard", 5)
    assert told[4:] == [("yard", 5)]


def test_a_marker_never_goes_back() -> None:
    mine, told = markers()

    for position in (5, 3, 5):
        mine.move("yard", position)
        mine.tick()

    assert told == [("yard", 5)]


def test_of_a_room_that_was_left_nothing_more_is_told() -> None:
    mine, told = markers()
    mine.move("yard", 1)
    mine.move("yard", 2)

    mine.leave("yard")
    mine.tick()

    assert told == [("yard", 1)]

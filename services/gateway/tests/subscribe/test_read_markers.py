from madang_gateway.subscribe.read_markers import ReadMarkers


def test_the_first_move_is_published_at_once_and_later_ones_once_per_tick() -> None:
    markers = ReadMarkers()

    assert markers.move("yard", 1)
    assert not markers.move("yard", 2)
    assert not markers.move("yard", 3)
    assert markers.move("well", 9)
    assert markers.tick() == {"yard": 3}

    assert not markers.move("yard", 4)
    assert markers.tick() == {"yard": 4}
    assert markers.tick() == {}
    assert markers.move("yard", 5)


def test_a_marker_never_moves_back() -> None:
    markers = ReadMarkers()
    assert markers.move("yard", 5)
    assert markers.tick() == {}

    assert not markers.move("yard", 3)
    assert not markers.move("yard", 5)

    assert markers.tick() == {}


def test_no_marker_of_a_room_is_published_after_the_user_left_it() -> None:
    markers = ReadMarkers()
    markers.move("yard", 1)
    markers.move("yard", 2)

    markers.leave("yard")

    assert markers.tick() == {}

from services.rooms.tests.harness import API, Harness, read


async def test_the_public_view_of_a_user_has_no_secrets(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae", "대한")

    seen = await nari.get(f"/users/{dae.id}")

    assert seen == {"id": dae.id, "username": "dae", "display_name": "대한"}
    read(await nari.request("GET", "/users/nobody"), 404)


async def test_users_are_found_by_a_prefix_of_their_username(harness: Harness) -> None:
    nari = await harness.person("nari")
    for name in ("a_b", "a_c", "axb", "a.b", "ab-"):
        await harness.person(name)

    async def found(prefix: str) -> list[str]:
        return [user["username"] for user in (await nari.get(f"/users?prefix={prefix}"))["items"]]

    assert await found("a") == ["a.b", "a_b", "a_c", "ab-", "axb"]
    assert await found("a_") == ["a_b", "a_c"]
    assert await found("A") == await found("a")
    assert await found("%25") == []
    assert await found("대") == []
    assert await found("z") == []


async def test_a_lookup_is_limited_and_has_no_next_page(harness: Harness) -> None:
    nari = await harness.person("nari")
    for number in range(25):
        await harness.person(f"user{number:02}")

    many = await nari.get("/users?prefix=user&limit=100")
    few = await nari.get("/users?prefix=user&limit=2")

    assert (len(many["items"]), many["next"]) == (20, None)
    assert [user["username"] for user in few["items"]] == ["user00", "user01"]


async def test_a_lookup_without_a_prefix_is_refused(harness: Harness) -> None:
    nari = await harness.person("nari")

    read(await nari.request("GET", "/users"), 422)
    read(await nari.request("GET", "/users?prefix="), 422)
    read(await nari.request("GET", f"/users?prefix={'a' * 33}"), 422)


async def test_users_are_shown_only_to_logged_in_users(harness: Harness) -> None:
    nari = await harness.person("nari")

    read(await harness.client.get(f"{API}/users/{nari.id}"), 401)
    read(await harness.client.get(f"{API}/users?prefix=n"), 401)

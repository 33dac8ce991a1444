"""What a client of STOMP sees, over a real socket."""

from services.gateway.tests.scene import Scene

YARD = "/topic/rooms.yard"


async def test_two_users_talk_and_each_send_gets_a_receipt_with_its_id(scene: Scene) -> None:
    async with scene.connected("mina") as mina, scene.connected("jun") as jun:
        await mina.subscribe(YARD)
        await jun.subscribe(YARD)

        said = await mina.send("안녕")
        answered = await jun.send("hi")

        for client in (mina, jun):
            first, second = await client.messages(2)
            assert (first.text, second.text) == ("안녕", "hi")
            assert (first.headers["message-id"], second.headers["message-id"]) == (said, answered)
            assert first.json["id"] == said
            assert (first.json["sender"], first.json["room"]) == ("mina", "yard")
        assert said < answered

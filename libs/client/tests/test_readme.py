import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from libs.client.tests.fakes.proxy import Proxy
from libs.client.tests.fakes.rest_server import RestServer
from libs.client.tests.fakes.stomp_server import StompServer

README = Path(__file__).parents[1] / "README.md"


async def test_the_example_of_the_readme_runs(stomp: StompServer, rest: RestServer) -> None:
    proxy = Proxy(stomp, rest)
    await proxy.start()
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    code = example[1].replace("http://127.0.0.1:8000", proxy.url)

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    await proxy.stop()

    assert (process.returncode, out.decode()) == (0, "Ada: hello, 마당\n")

"""What a server says of itself is read as a whole, however many processes it has."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shortlist.load.connection import Address
from shortlist.load.scrape import scrape

ONE = "process_cpu_seconds_total 4.5\nprocess_resident_memory_bytes 1e+06\n"
SEVERAL = """# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
process_cpu_seconds_total{worker="0"} 10.0
process_cpu_seconds_total{worker="1"} 20.0
process_cpu_seconds_total{worker="keeper"} 0.5
process_resident_memory_bytes{worker="0"} 1e+06
process_resident_memory_bytes{worker="1"} 2e+06
"""


@pytest.mark.parametrize(("text", "cpu_s", "resident"), [(ONE, 4.5, 1e6), (SEVERAL, 30.5, 3e6)])
def test_the_processes_of_a_server_are_added_up(text, cpu_s, resident):
    ready = json.dumps({"release": "r", "last_seq": 7}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = ready if self.path == "/readyz" else text.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *told):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        look = scrape(Address.of(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
    assert (look.cpu_s, look.resident_bytes, look.state_bytes) == (cpu_s, resident, None)
    assert (look.release, look.last_seq) == ("r", 7)

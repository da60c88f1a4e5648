# SPDX-License-Identifier: MIT
"""What `status` tells of a routing engine's sessions, by engines that are made up here: what real ones say is in the
fuzz corpus, and what becomes of their routes in other tests."""

import contextlib
import socket
import threading

from lab import wait_for
from meshes import PATIENCE, SmallMesh, hub, inventory, new_lab, outside, site

SESSION = """\
1002-p_hub_a    BGP        ---        up     10:00:00.000  Established
1006-  BGP state:          {state}
     Neighbor address: {address}
   Channel ipv4
     Routes:         {routes} imported, 0 exported, {routes} preferred

"""


class MadeUpBird:
    """Answers every question with its sessions."""

    def __init__(self, path):
        self.sessions = []
        self.questions = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._clients = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._clients.append(client)
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with contextlib.suppress(OSError):
            client.sendall(b"0001 BIRD 2.0.12 ready.\n")
            while client.recv(4096) == b"show protocols all\n":
                self.questions += 1
                said = "".join(SESSION.format(**s).replace("\n\n", "\n \n") for s in self.sessions)
                client.sendall(("2002-Name Proto Table State Since Info\n" + said + "0000 \n").encode())

    def close(self):
        for s in [self._listener, *self._clients]:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        self._thread.join()


def with_engine(node, path):
    return {**node, "routing": {"engine": "bird", "socket": str(path)}}


def test_sessions_beside_peers(tmp_path):
    path = tmp_path / "bird.ctl"
    nodes = {"hub-a": with_engine(hub(1), tmp_path / "nobody.ctl"), "site-1": with_engine(site(1), path)}
    with new_lab() as lab:
        mesh = SmallMesh(lab, inventory(nodes), outside(*nodes))
        mesh.start()
        site_1 = mesh.daemons["site-1"]

        def routing():
            return site_1.ask("status")["routing"]

        def sessions():
            return site_1.ask("status")["peers"][0]["sessions"]

        wait_for("nobody answers", lambda: routing()["answers"] is False, PATIENCE)
        site_1.wait_problem("bird can't be asked for its sessions")
        bird = MadeUpBird(path)
        try:
            address = nodes["hub-a"]["address"][0].split("/")[0]
            bird.sessions = [{"state": "Established", "address": address, "routes": 12}]
            wait_for("the session is seen", lambda: routing()["established"] == 1, PATIENCE)
            assert routing() == {**routing(), "engine": "bird", "socket": str(path), "answers": True, "sessions": 1, "routes": 12}
            found = sessions()
            assert [(s["neighbor"], s["state"], s["routes"]) for s in found] == [(address, "established", 12)]
            text = site_1.shunt("status")
            assert "routing engine bird: 1 of 1 sessions established, 12 routes from them" in text
            site_1.wait_no_problem("bird can't be asked")
            bird.sessions[0]["state"] = "Active"
            wait_for("the session is lost", lambda: sessions()[0]["state"] == "active", PATIENCE)
        finally:
            bird.close()
            path.unlink()
        wait_for("it is gone", lambda: routing()["answers"] is False, PATIENCE)
        assert not sessions()

"""The views, through Django's own test client, against a booking site in a thread that does as it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from django.test import TestCase, override_settings
from django.urls import reverse

from .models import Search
from .question import PASSING_ON, WAYS
from .upstreams import UPSTREAMS, Reply, Upstream


class Site(BaseHTTPRequestHandler):
    """Offers one hotel at each upstream; what `faults` says of an upstream comes instead."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: else each answer waits 40 ms for an acknowledgement
    faults: ClassVar[dict[str, tuple[int, bytes]]] = {}
    # These wait until they may answer.
    held: ClassVar[set[str]] = set()
    released: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        name, nights = url.path.split("/")[1], int(parse_qs(url.query)["nights"][0])
        offer = {
            "hotel": f"Hotel {len(name)}",
            "district": "Old Town",
            "stars": 3,
            "room": "Twin room",
            "breakfast": True,
            "per_night": 50 + len(name),
        }
        offer |= {"free_cancellation": False, "price": f"{(50 + len(name)) * nights}.00", "currency": "EUR"}
        if name in self.held:
            self.released.wait(30)
        status, body = self.faults.get(name, (200, json.dumps({"offers": [offer]}).encode()))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status == 429:
            self.send_header("retry-after", "3")
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            # Whoever asked did not wait.
            self.close_connection = True

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64  # the default of 5 drops one of eight calls at once, for a second


class WithSite(TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = Server(("127.0.0.1", 0), Site)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        cls.addClassCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        # Each way waits for all sites, however slowly this machine asks them.
        settings = override_settings(HOTELS_UPSTREAMS_URL=f"http://127.0.0.1:{server.server_port}", HOTELS_GRACE=20)
        settings.enable()
        cls.addClassCleanup(settings.disable)

    def setUp(self) -> None:
        Site.faults = {}


class Ways(WithSite):
    def search(self, way: str, **query: object):
        return self.client.get(reverse(f"hotels:{way}"), {"city": "Porto", "nights": 2, **query})

    def test_every_way_finds_the_same_and_saves_it(self) -> None:
        answers = {way: self.search(way) for way in WAYS}
        found = []
        for way, answer in answers.items():
            with self.subTest(way):
                self.assertEqual(answer.status_code, 200)
                answer = answer.json()
                self.assertEqual((answer["way"], answer["city"], answer["nights"]), (way, "Porto", 2))
                self.assertTrue(answer["complete"])
                self.assertEqual(
                    [upstream["name"] for upstream in answer["upstreams"]], [known.name for known in UPSTREAMS]
                )
                found.append(answer["offers"])
        self.assertTrue(all(offers == found[0] for offers in found))
        self.assertEqual(set(Search.objects.values_list("way", flat=True)), set(WAYS))

    def test_a_site_that_fails_costs_its_own_offers_only(self) -> None:
        Site.faults = {
            "quillow": (503, b"oh"),
            "lanternkeys": (429, b""),
            "nightjar": (200, b"<html>"),
            "zimmerlei": (200, b"[]"),
        }
        for way in WAYS:
            with self.subTest(way):
                answer = self.search(way).json()
                self.assertFalse(answer["complete"])
                problems = {
                    upstream["name"]: upstream["problem"] for upstream in answer["upstreams"] if upstream["problem"]
                }
                self.assertEqual(
                    problems,
                    {
                        "quillow": "is out of order (503)",
                        "lanternkeys": "asks for a pause of 3 s (429)",
                        "nightjar": "answered with something that is not a list of offers",
                        "zimmerlei": "answered with something that is not a list of offers",
                    },
                )
                self.assertTrue(answer["offers"])

    @override_settings(HOTELS_UPSTREAMS_URL="http://127.0.0.1:1")
    def test_no_site_at_all_is_said_not_raised(self) -> None:
        for way in WAYS:
            with self.subTest(way):
                answer = self.search(way).json()
                self.assertEqual({upstream["problem"] for upstream in answer["upstreams"]}, {"could not be reached"})
                self.assertEqual(answer["offers"], [])

    def test_a_question_that_makes_no_sense_is_a_400(self) -> None:
        for way in [*WAYS, *PASSING_ON, "live"]:
            for wrong in ({"city": ""}, {"nights": 0}, {"nights": "two"}, {"nights": 31}, {"then": "elsewhere"}):
                with self.subTest(way, **wrong):
                    self.assertEqual(self.search(way, **wrong).status_code, 400)
        self.assertEqual(Search.objects.count(), 0)


class Sites(WithSite):
    """What becomes of sites that are slow, and of what is passed on."""

    def setUp(self) -> None:
        super().setUp()
        Site.held.clear()
        Site.released.clear()
        self.addCleanup(Site.released.set)

    async def ask(self, way: str):
        return await self.async_client.get(reverse(f"hotels:{way}"), {"city": "Porto", "nights": 2})

    @override_settings(HOTELS_GRACE=0.05)
    async def test_enough_sites_are_enough(self) -> None:
        Site.held.update(("zimmerlei", "nightjar"))
        answer = (await self.ask("http-agather")).json()
        missing = {upstream["name"]: upstream["problem"] for upstream in answer["upstreams"] if upstream["problem"]}
        self.assertEqual(missing, {"zimmerlei": "was not waited for", "nightjar": "was not waited for"})
        self.assertTrue(answer["offers"])

    async def test_merged_offers_are_sorted_and_name_their_site(self) -> None:
        Site.faults = {"quillow": (503, b"oh"), "nightjar": (200, b"<html>")}
        answer = await self.ask("http-merged")
        self.assertEqual(answer["content-type"], "application/json")
        self.assertEqual(answer["cache-control"], "no-store")
        offers = answer.json()["offers"]
        prices = [offer["per_night"] for offer in offers]
        self.assertEqual(prices, sorted(prices))
        names = {known.name for known in UPSTREAMS} - {"quillow", "nightjar"}
        self.assertEqual({offer["site"] for offer in offers}, names)

    async def test_a_site_that_is_slow_keeps_nobody_else_waiting(self) -> None:
        Site.held.add("bettboerse")
        answer = await self.ask("http-stream")
        lines = []
        async for piece in answer.streaming_content:
            lines.append(json.loads(piece))
            if len(lines) == len(UPSTREAMS) - 1:
                # All others were sent on; only now it may answer.
                Site.released.set()
        self.assertEqual(len(lines), len(UPSTREAMS))
        self.assertEqual(lines[-1]["site"], "Bettbörse")
        self.assertEqual(lines[-1]["offers"][0]["hotel"], "Hotel 10")

    async def test_the_page_grows_and_says_when_it_is_whole(self) -> None:
        Site.faults = {"quillow": (503, b"oh")}
        Site.held.add("moonladder")
        answer = await self.ask("live")
        seen = ""
        async for piece in answer.streaming_content:
            seen += piece.decode()
            if seen.count("<h2>") == len(UPSTREAMS) - 1:
                self.assertNotIn("That is all", seen)
                Site.released.set()
        self.assertIn("is out of order (503)", seen)
        self.assertIn("That is all. The cheapest: <b>Hotel 8</b>", seen)
        self.assertTrue(seen.rstrip().endswith("</html>"))
        self.assertNotIn("<script", seen)


class Pages(WithSite):
    def compare(self, **query: object):
        return self.client.get(
            reverse("hotels:compare"), {"city": "Porto", "nights": 2, "way": "all", **query}, follow=True
        )

    def test_the_front_page_has_the_form_and_the_ways(self) -> None:
        page = self.client.get("/")
        for way in [*WAYS.values(), *PASSING_ON.values()]:
            self.assertContains(page, way.title)
        self.assertContains(page, "<form", count=1)
        self.assertNotContains(page, "<script")

    def test_a_comparison_visits_every_way_by_redirects_and_shows_them_side_by_side(self) -> None:
        page = self.compare()
        visited = [url.split("/")[2] for url, _status in page.redirect_chain if url.startswith("/search/")]
        self.assertEqual(visited, list(WAYS))
        for way in WAYS.values():
            self.assertContains(page, way.title)
        self.assertContains(page, "Hotel 10")
        self.assertEqual(page.context["report"].shown.offers[0]["price"], "114.00")

    def test_one_way_alone(self) -> None:
        page = self.compare(way="gathered")
        self.assertEqual(len(page.context["report"].rows), 1)
        self.assertContains(page, "async def gathered")

    def test_what_failed_is_named_beside_what_was_found(self) -> None:
        Site.faults = {"quillow": (503, b"")}
        page = self.compare()
        self.assertContains(page, "<b>Quillow</b> is out of order (503).")
        self.assertContains(page, "7 of 8 sites answered", count=7)

    def test_no_offers_no_sites_no_comparison_each_say_what_to_do(self) -> None:
        Site.faults = {upstream.name: (200, b'{"offers": []}') for upstream in UPSTREAMS}
        self.assertContains(self.compare(way="drf", city="Atlantis"), "No rooms in Atlantis.")
        with override_settings(HOTELS_UPSTREAMS_URL="http://127.0.0.1:1"):
            self.assertContains(self.compare(way="drf"), "python manage.py upstreams")
        gone = self.client.get(reverse("hotels:result", args=["gone"]))
        self.assertContains(gone, "not here any more", status_code=404)

    def test_a_wrong_form_says_what_is_wrong_and_a_strange_city_is_only_text(self) -> None:
        wrong = self.compare(nights=99)
        self.assertContains(wrong, "less than or equal to 30", status_code=400)
        strange = self.compare(way="drf", city="<b>&\"'")
        self.assertContains(strange, "&lt;b&gt;&amp;")


class CheapestFirst(TestCase):
    def test_a_hotel_is_one_line_with_its_cheapest_price(self) -> None:
        from .models import cheapest_first

        def reply(title: str, price: str) -> Reply:
            return Reply(Upstream(title.lower(), title), 0.0, 1.0, [{"hotel": "Miramar", "price": price}])

        lines = cheapest_first([reply("Dear", "100.00"), reply("Cheap", "99.50")])
        self.assertEqual(
            lines,
            [{"hotel": "Miramar", "price": "99.50", "at": "Cheap", "others": [{"at": "Dear", "price": "100.00"}]}],
        )

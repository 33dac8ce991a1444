from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from madang_common.metrics import HttpMetrics, Merged, QuickHistogram


def page(*registries: CollectorRegistry) -> str:
    merged = CollectorRegistry()
    merged.register(Merged(registries))
    return generate_latest(merged).decode()


def test_families_of_the_same_name_are_joined() -> None:
    registries = [CollectorRegistry() for _ in range(3)]
    for service, registry in zip(("auth", "rooms", "history"), registries, strict=True):
        metrics = HttpMetrics(registry, service)
        metrics.started()
        metrics.ended("GET", "/x", 200, 0.01)

    text = page(*registries)

    assert text.count("# TYPE madang_http_request_seconds histogram") == 1
    assert text.count("# TYPE madang_http_requests_running gauge") == 1
    for service in ("auth", "rooms", "history"):
        assert f'madang_http_requests_running{{service="{service}"}} 0.0' in text
        assert f'_count{{method="GET",route="/x",service="{service}",status="200"}} 1.0' in text


def test_families_of_one_registry_are_kept() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    Counter("madang_one_total", "One.", registry=one).inc(3)
    Gauge("madang_other", "Other.", registry=other).set(4)

    text = page(one, other)

    assert "madang_one_total 3.0" in text
    assert "madang_other 4.0" in text


def test_collecting_twice_returns_the_same() -> None:
    registries = [CollectorRegistry() for _ in range(2)]
    for n, registry in enumerate(registries):
        HttpMetrics(registry, f"service-{n}").started()

    assert page(*registries) == page(*registries)
    assert "service-1" not in generate_latest(registries[0]).decode()


def test_a_request_is_counted_at_start_and_end() -> None:
    registry = CollectorRegistry()
    metrics = HttpMetrics(registry, "rooms")
    running = ("madang_http_requests_running", {"service": "rooms"})

    metrics.started()
    metrics.started()
    assert registry.get_sample_value(*running) == 2
    metrics.ended("GET", "/x", 500, 0.1)
    metrics.failed()

    assert registry.get_sample_value(*running) == 1
    assert registry.get_sample_value("madang_http_requests_failed_total", running[1]) == 1


def test_a_quick_histogram_equals_an_ordinary_one() -> None:
    pages = []
    for kind in (Histogram, QuickHistogram):
        registry = CollectorRegistry()
        histogram = kind("madang_seconds", "Times.", registry=registry, buckets=(0.5, 1, 2.5))
        for amount in (0.1, 0.5, 0.6, 1.0, 3.0):
            histogram.observe(amount)
        page = generate_latest(registry).decode().splitlines()
        pages.append([line for line in page if "_created" not in line])

    assert pages[0] == pages[1]

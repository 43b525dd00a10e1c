"""GeneratePart: the same loans at every attempt."""

from tests.memory_run import MemoryHost, generate


def test_the_same_loans_whatever_the_parts() -> None:
    one, many = MemoryHost(), MemoryHost()
    generate(one, name="p", loans=90, format="csv")
    generate(many, name="p", loans=90, format="csv", part_loans=25)

    def rows(host: MemoryHost) -> list[bytes]:
        return [
            row for key, data in sorted(host.s3.objects.items()) if key.endswith(".csv") for row in data.split()[1:]
        ]

    assert len(rows(one)) == 90
    assert rows(one) == rows(many)

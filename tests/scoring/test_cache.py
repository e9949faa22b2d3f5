from twosome.scoring.cache import BoundedCache


def test_the_value_asked_for_longest_ago_is_forgotten():
    made = []
    cache: BoundedCache[str, str] = BoundedCache(2)

    def make(key):
        made.append(key)
        return key.upper()

    assert [cache.get(key, make) for key in "abacab"] == list("ABACAB")
    # "a" was used after "b" when "c" came; "c" was used before "a" when "b" came back.
    assert made == ["a", "b", "c", "b"]
    assert len(cache) == 2
    assert cache.find("c") is None

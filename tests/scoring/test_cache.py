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


def test_values_weigh_what_they_are_said_to_weigh_and_the_last_one_is_kept_however_heavy():
    cache: BoundedCache[str, int] = BoundedCache(10, lambda weight: weight)
    for key, weight in {"a": 4, "b": 5, "c": 1, "d": 4}.items():
        cache.put(key, weight)
    assert [key for key in "abcd" if cache.find(key) is not None] == ["b", "c", "d"]
    cache.put("b", 1)
    cache.put("e", 4)
    assert len(cache) == 4
    cache.put("f", 99)
    assert (len(cache), cache.find("f")) == (1, 99)
    cache.put("g", 10)
    assert (len(cache), cache.find("g")) == (1, 10)

"""The matrix of everybody on everything is what asking for each cell gives."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import EVERYTHING, Capability
from strongroom.identity.policy.classes import Classes
from strongroom.identity.policy.document import Policy, parse_policy
from strongroom.identity.policy.matching import Matching
from strongroom.identity.policy.pattern import priority
from strongroom.identity.policy.questions import access_matrix, may
from strongroom.identity.policy.rights import Class, Judged, Matrix, Row
from strongroom.identity.policy.template import Identity
from tests.identity.policy import samples
from tests.identity.policy.test_acl import matches

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Policy(name="root", rules=())


class Fence:
    """Takes what begins with `b` away from whoever is bound to anything."""

    def where(self, path: str) -> bool:
        return path.startswith("b")

    def left(self, bound: frozenset[str], path: str, held: Capability) -> Capability:
        return Capability.DENY if bound and self.where(path) else held


def classes(random: Random, number: int) -> list[Class]:
    """Return holders of a few policies, some with templates that say something else for each."""
    found = []
    for at in range(number):
        policies = [parse_policy(f"p{n}", text(random)) for n in range(2)]
        base = compile_acl(policies, None, NOW)
        own = parse_policy("own", 'path "a/{{identity.entity.name}}/*" { capabilities = ["read"] }')
        who = Identity(id=f"{at}", name=random.choice(("a", "b", "ab")))
        acl = compile_acl([*policies, own], who, NOW)
        held = tuple(p for p in acl.merged if acl.merged[p] != base.merged.get(p))
        bound = frozenset(random.sample(("x",), random.randint(0, 1)))
        found += [Class(base, base, bound), Class(acl, base, bound, held)]
    root = compile_acl([ROOT], None, NOW)
    return [*found, Class(root, root, frozenset()), Class(root, root, frozenset({"x"}))]


def text(random: Random) -> str:
    """Return a policy that can be read."""
    while "+*" in (found := samples.policy(random)):
        pass
    return found


def rows(all_: list[Class], paths: list[str]) -> dict[Class, Row]:
    matrix = Matrix(all_, Fence())
    for path in paths:
        matrix.add(path)
    for _ in matrix.settle():
        pass
    return {each: row for row in matrix.rows("", 1000) for each in row.classes}


def left(acl: Acl, bound: frozenset[str], path: str) -> Capability:
    [cell] = access_matrix({"": acl}, [path])
    return Fence().left(bound, path, cell.capabilities) & EVERYTHING


@pytest.mark.parametrize("seed", range(15))
def test_each_cell_is_what_the_rules_say_of_it(seed: int) -> None:
    random = Random(seed)
    all_ = classes(random, 3)

    for path in samples.paths(random, 6):
        found = rows(all_, [path])

        for each in all_:
            held = Capability.NONE
            for right in found[each].rights:
                held |= right.capabilities
                assert right.paths == 1
                assert right.sample == path
            assert held == left(each.acl, each.bound, path), (path, each)


@pytest.mark.parametrize("seed", range(10))
def test_paths_are_counted_once_for_each_capability(seed: int) -> None:
    random = Random(seed)
    all_, paths = classes(random, 4), samples.paths(random, 60)

    found = rows(all_, paths)

    for each in all_:
        wanted = Counter(flag for p in paths for flag in left(each.acl, each.bound, p))
        counted = Counter[Capability]()
        for right in found[each].rights:
            counted.update(dict.fromkeys(right.capabilities, right.paths))
        assert counted == wanted


def test_equal_rights_are_one_row_and_rows_come_in_pages() -> None:
    text = 'path "a/*" { capabilities = ["read"] }'
    one, same = (compile_acl([parse_policy(n, text)], None, NOW) for n in ("p", "q"))
    other = compile_acl([parse_policy("r", text.replace("a/", "b/"))], None, NOW)
    all_ = [Class(acl, acl, frozenset()) for acl in (one, same, other)]
    matrix = Matrix(all_, Fence())
    for path in ("a/1", "a/2", "b/1"):
        matrix.add(path)
    list(matrix.settle())

    [first], [second] = ([*matrix.rows("", 1)], [*matrix.rows("", 2)][1:])
    rest = list(matrix.rows(first.id, 10))

    assert rest == [second]
    assert {len(row.classes) for row in (first, second)} == {1, 2}
    assert matrix.size == 2


@pytest.mark.parametrize("seed", range(10))
def test_one_path_is_judged_for_all_as_for_each(seed: int) -> None:
    random = Random(seed)
    all_ = classes(random, 5)
    judged = Judged(all_)

    for path in samples.paths(random, 6):
        for flag in EVERYTHING:
            found = {e: (d, b) for d, b, held in judged.may(flag, path) for e in held}

            for each in all_:
                wanted = may(each.acl, flag, path)
                assert found.get(each, (wanted, each.bound)) == (wanted, each.bound)
                assert each in found or not wanted.allowed


@pytest.mark.parametrize("seed", range(10))
def test_matching_finds_all_patterns_and_the_first_in_front(seed: int) -> None:
    random = Random(seed)
    patterns = {p for p in (samples.pattern(random) for _ in range(30)) if "+*" not in p}
    matching = Matching(patterns)

    for path in samples.paths(random, 20):
        found = [matching.patterns[n] for n in matching.single(path)]

        wanted = sorted((p for p in patterns if matches(p, path)), key=priority, reverse=True)
        assert found == wanted


@pytest.mark.parametrize("seed", range(10))
def test_a_class_says_what_compiling_for_its_holder_does(seed: int) -> None:
    random = Random(seed)
    own = 'path "a/{{identity.entity.name}}/*" { capabilities = ["read"] }\n'
    own += 'path "{{identity.entity.metadata.k}}" { capabilities = ["list"] }'
    policies = [parse_policy("own", own), parse_policy("p", text(random))]
    found = Classes(NOW)
    found.learn(("own", "p"), policies)

    for name in ("a", "b", "a", "x/y"):
        who = Identity(id="1", name=name, metadata={"k": random.choice(("", "a", "b/*", "a/b"))})
        each = found.of(("own", "p"), who, frozenset())

        wanted = compile_acl(policies, who, NOW)
        assert each.acl.merged == wanted.merged
        assert each.acl.everything == wanted.everything
        assert each is found.of(("own", "p"), who, frozenset())
        assert {p: m for p, m in wanted.merged.items() if p not in each.own} == {
            p: m for p, m in each.base.merged.items() if p not in each.own
        }

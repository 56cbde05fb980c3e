"""Plans, traffic and the order of painting, over many seeds."""

import itertools
import random

import numpy as np
import pytest

from keras_lraspp.street_scenes.body import Pose
from keras_lraspp.street_scenes.population import (
    Population,
    add_pavements,
    add_traffic,
)
from keras_lraspp.street_scenes.street import FAR, LANE, plan_street

SEEDS = range(60)


def streets():
    for seed in SEEDS:
        rng = random.Random(seed)
        yield plan_street(rng), rng


def length_ahead(actor):
    """How far a vehicle that drives along the street reaches, in metres."""
    return actor.draw.keywords["model"].length


def vehicles(actors):
    return [actor for actor in actors if hasattr(actor.draw, "keywords")]


def test_lots_follow_one_another_and_leave_the_junction_open():
    for street, _ in streets():
        for side in (street.left, street.right):
            assert 0 < side.kerb <= side.kerb + side.verge < side.edge
            for lot, following in itertools.pairwise(side.lots):
                assert lot.start < lot.end <= following.start
            assert side.lots[-1].end == pytest.approx(FAR, abs=3.0)
            if street.junction:
                start, end = street.junction
                for lot in side.lots:
                    assert lot.end <= start + 1e-9 or lot.start >= end - 1e-9


def test_streets_vary():
    plans = [street for street, _ in streets()]
    for has in (
        lambda street: street.junction is not None,
        lambda street: street.zebra is not None,
        lambda street: street.rails is not None,
        lambda street: street.right.parking,
        lambda street: street.left.verge > 0,
    ):
        assert 0.2 < np.mean([has(street) for street in plans]) < 0.9
    kinds = {lot.kind for street in plans for lot in street.left.lots}
    assert kinds == {"house", "fence", "wall", "park"}


def test_vehicles_neither_collide_nor_block_the_crossing():
    seen = 0
    for street, rng in streets():
        population = Population(street, rng)
        add_traffic(population)
        lanes = {}
        for actor in vehicles(population.along):
            half = length_ahead(actor) / 2
            lanes.setdefault(round(actor.pose.x, 3), []).append(
                (actor.pose.z - half, actor.pose.z + half)
            )
        for x, spans in lanes.items():
            assert -street.left.kerb < x < street.right.kerb
            spans.sort()
            for (_, end), (start, _) in itertools.pairwise(spans):
                assert end < start
            for clear, until in street.kept_clear:
                for start, end in spans:
                    # They may touch it: middle and length round.
                    assert end <= clear + 1e-9 or start >= until - 1e-9
            seen += len(spans)
    assert seen > 5 * len(SEEDS)


def test_pavements_hold_people_on_them_and_never_in_the_road():
    for street, rng in streets():
        population = Population(street, rng)
        add_pavements(population)
        assert len(population.along) >= 6
        for actor in population.along:
            side = street.left if actor.pose.x < 0 else street.right
            on_pavement = side.kerb < abs(actor.pose.x) <= side.edge
            crosses = street.zebra is not None and (
                0 <= actor.pose.z - street.zebra <= 3.2 and actor.pose.level == 0
            )
            assert on_pavement or crosses
            if on_pavement and not crosses:
                assert actor.pose.level > 0


def painted(population):
    return [actor.draw for actor in population.in_order()]


def test_nearer_and_inner_ones_are_painted_later():
    street = plan_street(random.Random(1))._replace(junction=(30.0, 38.0))
    population = Population(street, random.Random(0))
    population.add("near", Pose(0.0, 10.0))
    population.add("far", Pose(0.0, 20.0))
    population.add("pavement", Pose(6.0, 8.0))
    population.add("beyond", Pose(0.0, 60.0))
    population.add_across("across", Pose(0.0, 34.0))
    population.add("lane", Pose(-3.0, 9.0), LANE)
    assert painted(population) == [
        "beyond",
        "across",
        "pavement",
        "lane",
        "far",
        "near",
    ]


def test_free_place_is_behind_what_is_kept_clear():
    street = plan_street(random.Random(1))
    street = street._replace(zebra=10.0, junction=(14.5, 21.0))
    population = Population(street, random.Random(0))
    assert population.free_from(2.0, 5.0) == 2.0
    # Neither on the crossing (8.5 to 13.5) nor in the junction (13.5 to 22).
    assert population.free_from(6.0, 5.0) == 22.0
    assert population.free_from(30.0, 5.0) == 30.0

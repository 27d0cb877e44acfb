"""Money: prices, usage, budgets, the ledger."""

from __future__ import annotations

import asyncio
import csv
import datetime
import io
import json
import subprocess
import sys
from decimal import Decimal

import pytest

import orch

HOUSE = {"house-model": {"input": 3.0, "output": 15.0}}
CENT = {"house-model": (0, 1_000_000)}
"""What an attempt expects at these prices: fifteen dollars."""


@pytest.fixture
def engine():
    return orch.Engine(prices=orch.Prices(rates=HOUSE, aliases={"sonnet": "house-model"}))


def spenders(count, expects=CENT, used=1_000_000, **options):
    """A graph of tasks that each cost fifteen dollars."""
    graph = orch.Graph("spenders")
    for nth in range(count):

        async def spend(context: orch.Context) -> None:
            await asyncio.sleep(0)
            if used:
                context.used("house-model", output=used)

        graph.add(spend, id=f"s{nth}", expects=expects, **options)
    return graph


def test_a_quote_is_exact_and_says_which_price_it_is():
    prices = orch.Prices(rates=HOUSE, aliases={"sonnet": "house-model"})
    quote = prices.price("sonnet", orch.ModelUsage("", input=1, output=1))
    assert (quote.usd, quote.nanos) == (Decimal("0.000018"), 18_000)
    assert (quote.input_usd, quote.output_usd) == (Decimal("0.000003"), Decimal("0.000015"))
    assert (quote.price.model, quote.price.list, quote.price.fallback) == ("house-model", "own rates", False)
    assert quote.usage.input == 1
    total, quotes = prices.total([{"model": "sonnet", "input": 1}, {"model": "house-model", "output": 1}])
    assert total == Decimal("0.000018") == sum(one.usd for one in quotes)


def test_published_prices_have_a_date_a_provider_and_terms():
    prices = orch.Prices()
    usage = {"input": 1_000_000, "output": 0}
    at = datetime.datetime(2026, 2, 1, tzinfo=datetime.timezone.utc)
    quote = prices.price("claude-sonnet-4-5", usage, at=at, provider="anthropic")
    assert quote.price.at == at
    assert quote.price.list.startswith("genai-prices ")
    assert prices.price("claude-sonnet-4-5", usage, at=at.date(), batch=True).usd <= quote.usd
    assert prices.price("claude-sonnet-4-5", usage, at="2026-02-01").usd == quote.usd
    with pytest.raises(orch.InvalidValue, match="no time zone"):
        prices.price("claude-sonnet-4-5", usage, at=datetime.datetime(2026, 2, 1))


def test_what_has_no_price_is_an_error_and_never_free(tmp_path):
    with pytest.raises(orch.NotFound, match="there is no price for `nobody`"):
        orch.Prices().price("nobody", {"input": 1})
    quote = orch.Prices(rates={"*": {"input": 1.0, "output": 1.0}}).price("nobody", {"input": 1_000_000})
    assert (quote.usd, quote.price.fallback) == (1, True)
    with pytest.raises(orch.InvalidValue):
        orch.Prices(rates={"m": {"input": -1.0, "output": 1.0}})
    broken = tmp_path / "prices.json"
    broken.write_text("{}")
    with pytest.raises(orch.InvalidFormat):
        orch.Prices(broken)
    with pytest.raises(orch.NotFound):
        orch.Prices(tmp_path / "none.json")
    with pytest.raises(orch.InvalidValue, match="2 entries"):
        orch.Prices(rates=HOUSE).price("house-model", [{"input": 1}, {"input": 1}])


def test_usage_is_read_from_what_agents_say():
    said = {"model": "m", "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 2}}
    used = orch.usage(said, provider="aws", batch=True)
    assert used.models == (
        orch.ModelUsage("aws/m", input=15, cache_read=5, output=2, requests=1, terms={"processing": "batch"}),
    )
    assert orch.usage(json.dumps(said)).models == orch.usage([said]).models == orch.usage(json.dumps(said).encode()).models
    assert orch.usage(said, model="other").models[0].model == "other"
    with pytest.raises(orch.InvalidFormat, match="no usage of a known form"):
        orch.usage({"hello": 1})
    with pytest.raises(orch.InvalidValue, match="does not name its model"):
        orch.usage({"usage": {"input_tokens": 1, "output_tokens": 2}})
    with pytest.raises(orch.InvalidValue, match="there is no dialect `x`; known here: "):
        orch.usage(said, dialect="x")


def test_a_run_stays_within_its_budget_however_many_tasks_run_at_once(engine):
    report = orch.run_sync(spenders(64), budget=100, engine=engine, on_failure="continue", check=False)
    assert (report.counts.succeeded, report.counts.failed) == (6, 58)
    assert report.cost_usd == 90.0
    refused = next(result for result in report if result.state == "failed")
    assert "the budget `budget` of $100 has $" in str(refused.message)
    assert "$15 more would be too much" in str(refused.message)


def test_the_report_tells_the_cost_of_each_task(engine):
    graph = orch.Graph("two")

    @graph.task(agent="writer")
    async def draft(context: orch.Context) -> str:
        context.used("house-model", input=1_000)
        context.charge({"model": "sonnet", "usage": {"input_tokens": 0, "output_tokens": 1_000}})
        return "draft"

    @graph.task
    async def billed(draft: str, context: orch.Context) -> None:
        context.charge(orch.ModelUsage("elsewhere", input=1, billed_usd=0.25))

    ledger = orch.Ledger(budget="1.50")
    report = orch.run_sync(graph, budget=ledger, engine=engine, labels={"branch": "main"})
    assert (report.task(draft).cost_usd, report.task(billed).cost_usd) == (0.018, 0.25)
    assert report.cost_usd == 0.268
    assert [used.model for used in report.task(draft).usage] == ["house-model", "sonnet"]
    charges = ledger.charges()
    assert [charge.usd for charge in charges] == [Decimal("0.003"), Decimal("0.015"), Decimal("0.25")]
    who = charges[0].who
    assert (who["task"], who["agent"], who["branch"], who["run"]) == ("draft", "writer", "main", report.run)
    assert [charge.price.list for charge in charges if charge.price] == ["own rates", "own rates", "billed"]


@pytest.mark.parametrize("amount", [0.30, 0.1 + 0.2, "0.3", Decimal("0.3"), {"usd": 0.3, "each": "run"}, [{"usd": "0.3"}]])
def test_amounts_are_given_as_people_have_them(engine, amount):
    """A task of thirty cents just fits."""
    report = orch.run_sync(spenders(1, {"house-model": (100_000, 0)}, 0), budget=amount, engine=engine)
    assert report.counts.succeeded == 1


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (-1, "below zero"),
        ("five", "no amount of dollars"),
        (float("nan"), "no number of JSON"),
        ({"per": "day"}, "needs `usd`"),
        ([{"usd": 1, "agents": "x"}], "there is no setting `budget.agents`"),
        ([{"usd": 1, "per": "week"}], "`week` is no period"),
        ([{"usd": 1}, {"usd": 2}], "two budgets of the name"),
        ([1], "must hold tables"),
        ({"usd": 1, "zone": "Nowhere"}, "Nowhere"),
    ],
)
def test_a_wrong_budget_is_an_error_before_anything_runs(budget, why):
    with pytest.raises(orch.InvalidValue, match=why):
        orch.run_sync(spenders(1), budget=budget)


def test_labels_need_somewhere_to_be_booked():
    with pytest.raises(orch.InvalidValue, match="give `budget` or `store` too"):
        orch.run_sync(spenders(1), labels={"branch": "main"})
    with pytest.raises(orch.InvalidValue, match="who spends"):
        orch.run_sync(spenders(1), labels={"colour": "red"}, budget=1)


def test_what_has_no_price_does_not_begin_within_a_budget():
    graph = orch.Graph("unknown")
    graph.add(lambda: None, id="a", expects={"nobody": (1, 1)})
    report = orch.run_sync(graph, budget=1, check=False)
    assert "there is no price for `nobody`" in str(report.task("a").message)


def test_failed_attempts_are_paid_for(engine, tmp_path):
    graph = orch.Graph("flaky")

    @graph.task(retries=orch.Retry(2, delay=0.0), expects={"house-model": (100_000, 0)})
    async def flaky(context: orch.Context) -> None:
        context.used("house-model", input=100_000)
        if context.attempt == 1:
            raise OSError("down")

    ledger = orch.Ledger(tmp_path / "s.db", [{"usd": 1, "milestones": [0.5]}])
    report = orch.run_sync(graph, engine=engine, budget=ledger)
    told = [(charge.attempt, charge.failed, charge.usd) for charge in ledger.charges()]
    assert told == [(1, True, Decimal("0.3")), (2, False, Decimal("0.3"))]
    assert any("has reached $0.5" in warning for warning in report.warnings)
    (row,) = ledger.costs(by=["run", "task"])
    assert (row.of, row.usd, row.charges, row.failed) == ({"run": report.run, "task": "flaky"}, Decimal("0.6"), 2, 1)
    (state,) = ledger.budgets()
    assert (state.spent, state.left, state.reached) == (Decimal("0.6"), Decimal("0.4"), (Decimal("0.5"),))


def test_a_stored_run_is_booked_also_without_a_budget_and_the_command_tells_the_same(engine, tmp_path):
    path = tmp_path / "runs.db"
    orch.run_sync(spenders(2, agent="a,b"), store=path, engine=engine)
    ledger = orch.Ledger(path)
    assert [(cost.of, cost.usd) for cost in ledger.costs(by=("agent",))] == [({"agent": "a,b"}, Decimal(30))]
    rows = list(csv.reader(io.StringIO(ledger.costs_csv(by="agent"))))
    assert rows == [["agent", "usd", "charges", "failed", "input", "output"], ["a,b", "30", "2", "0", "0", "2000000"]]
    done = subprocess.run(
        [sys.executable, "-m", "orch", "cost", "--store", str(path), "--by", "agent,model", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads(ledger.costs_json())
    assert ledger.costs(only={"agent": "other"}) == []
    today = datetime.datetime.now(datetime.timezone.utc)
    assert ledger.costs(by="day", since=today + datetime.timedelta(days=1)) == []
    (day,) = ledger.costs(by="day")
    assert day.of["day"] in {today.date().isoformat(), ledger.charges()[0].at.date().isoformat()}
    assert len(ledger.charges_csv().splitlines()) == 3
    with pytest.raises(orch.InvalidValue, match=r"there is no column `x`; known here: .*, month"):
        ledger.costs(by="x")
    with pytest.raises(orch.InvalidValue, match="Nowhere"):
        ledger.costs(zone="Nowhere")


def test_one_ledger_belongs_to_many_runs(engine):
    ledger = orch.Ledger(budget={"usd": 30, "name": "all"})
    for left in (15, 0):
        orch.run_sync(spenders(1), budget=ledger, engine=engine)
        assert ledger.budgets()[0].left == left
    with pytest.raises(orch.RunFailed, match="the budget `all`"):
        orch.run_sync(spenders(1), budget=ledger, engine=engine)


def test_a_task_is_told_the_cheaper_model_that_its_budget_wants(tmp_path):
    rates = {"dear": {"input": 10.0, "output": 10.0}, "cheap": {"input": 1.0, "output": 1.0}}
    engine, graph, used = orch.Engine(prices=rates), orch.Graph("steps down"), []

    async def work(context: orch.Context) -> None:
        used.append((str(context.model), context.budget_usd))
        context.used(str(context.model), input=100_000)

    for nth in range(2):
        graph.add(work, id=f"w{nth}", expects={"dear": (100_000, 0)})
    ledger = orch.Ledger(budget={"usd": "1.50", "at_limit": {"downgrade": "cheap"}})
    report = orch.run_sync(graph, max_parallel=1, budget=ledger, engine=engine)
    assert (report.counts.succeeded, [model for model, _ in used]) == (2, ["dear", "cheap"])
    assert used[0][1] == Decimal("1.5")
    assert ledger.budgets()[0].spent == Decimal("1.1")


@pytest.mark.parametrize(("answer", "succeeded"), [(True, 1), (False, 0)])
def test_somebody_is_asked_before_more_is_spent(engine, answer, succeeded):
    async def main():
        ledger = orch.Ledger(budget={"usd": 1, "name": "careful", "at_limit": "ask"})
        run = asyncio.ensure_future(orch.run(spenders(1, agent="writer"), budget=ledger, engine=engine, check=False))
        while not (open_questions := ledger.questions()):  # noqa: ASYNC110 - nobody is told when a question comes
            await asyncio.sleep(0)
        (question,) = open_questions
        assert (question.budget, question.usd, question.who["agent"], question.said) == ("careful", 15, "writer", None)
        assert "the budget `careful` of $1" in question.why
        ledger.answer(question.id, answer, by="me")
        report = await run
        assert (report.counts.succeeded, ledger.questions()) == (succeeded, [])
        with pytest.raises(orch.NotFound):
            ledger.answer(question.id, True)

    asyncio.run(main())


def test_money_is_reserved_and_settled_by_hand():
    ledger = orch.Ledger(budget=[{"usd": "1", "each": "agent", "name": "each"}], prices=orch.Prices(rates=HOUSE))
    held = ledger.reserve(0.9, agent="a")
    refused = ledger.reserve("0.2", agent="a")
    other = ledger.reserve("0.2", agent="b")
    assert [bool(one) for one in (held, refused, other)] == [True, False, True]
    assert refused.again == "settled"
    assert "the budget `each` of $1" in str(refused.why)
    with pytest.raises(orch.InvalidValue, match="nothing is reserved"):
        refused.settle(0)
    (in_flight, _) = sorted(ledger.in_flight(), key=lambda one: -one.parts[0][1])
    assert (in_flight.id, in_flight.parts) == (held.id, (({"agent": "a"}, Decimal("0.9")),))
    booked = held.settle(usage={"model": "house-model", "input": 400_000})
    assert booked == orch.Booked((), {"each": Decimal("0.2")})
    with pytest.raises(orch.Conflict):
        held.settle(0)
    other.settle(0)
    assert ledger.in_flight() == []
    assert ledger.charge("0.1", agent="b", model="m").over == {}
    assert {cost.of["agent"]: cost.usd for cost in ledger.costs(by="agent")} == {"a": Decimal("1.2"), "b": Decimal("0.1")}
    lost = ledger.reserve("0.3", agent="b")
    ledger.assume(str(lost.id))
    assert ledger.charges()[-1].assumed
    with pytest.raises(orch.InvalidValue, match="nothing says what was spent"):
        ledger.charge(agent="b")
    with pytest.raises(orch.InvalidValue, match="who spends"):
        ledger.reserve(1, colour="red")


RACE = """
import sys, orch
ledger = orch.Ledger(sys.argv[1], {"usd": "0.20", "name": "all", "milestones": ["0.1"]})
held = [one for one in (ledger.reserve("0.01", task=str(nth)) for nth in range(16)) if one]
print(len(held), sum(len(one.settle("0.01").milestones) for one in held))
"""


def test_processes_together_spend_no_more_than_there_is(tmp_path):
    """Each milestone is told once, whoever reaches it."""
    path = tmp_path / "race.db"
    orch.Store(path)
    command = [sys.executable, "-c", RACE, str(path)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    won = [tuple(map(int, racer.communicate()[0].split())) for racer in racers]
    assert [sum(column) for column in zip(*won, strict=True)] == [20, 1]
    assert orch.Ledger(path).costs(by=())[0].usd == Decimal("0.20")


def test_what_cannot_be_expected_is_said_when_the_graph_is_planned():
    graph = orch.Graph("wrong")
    graph.add(lambda: None, id="a", expects={"m": ("many", 1)})
    with pytest.raises(orch.InvalidValue, match="the options of task `a`"):
        graph.plan()


def test_a_resumed_run_goes_on_in_its_ledger(engine, tmp_path):
    path, broken = tmp_path / "runs.db", [True]
    graph = orch.Graph("resumed")

    @graph.task(expects=CENT)
    async def first(context: orch.Context) -> int:
        context.used("house-model", output=1_000_000)
        return 1

    @graph.task(expects=CENT)
    async def second(first: int, context: orch.Context) -> int:
        if broken:
            raise OSError("down")
        context.used("house-model", output=1_000_000)
        return first

    budget = {"usd": 60, "each": "run"}
    report = orch.run_sync(graph, store=path, budget=budget, engine=engine, check=False)
    assert (report.state, orch.Ledger(path, budget).budgets()[0].spent) == ("failed", 30), "who fails silently is charged too"
    broken.clear()
    orch.resume_sync(report.run, graph, store=path, budget=budget, engine=engine)
    (state,) = orch.Ledger(path, budget).budgets()
    assert (state.of, state.spent) == ({"run": report.run}, 45)


def test_a_plan_says_what_a_run_will_cost_and_learns_it(engine, tmp_path):
    path, prices = tmp_path / "runs.db", orch.Prices(rates=HOUSE)
    graph = spenders(2, {"house-model": (1_000_000, 0)}, used=100_000)
    graph.add(lambda: None, id="free")
    plan = graph.plan(prices=prices)
    assert plan.cost == orch.PlanCost(Decimal(6), Decimal(6), (), 0, 2)
    assert (plan.cost_of("s0"), plan.cost_of("free")) == (3, 0)
    with pytest.raises(orch.NotFound):
        plan.cost_of("nothing")
    assert graph.plan(store=path, prices=prices).cost.usd == 6, "nothing is learned yet"
    for _ in range(2):
        orch.run_sync(graph, store=path, engine=engine)
    learned = graph.plan(store=path, prices=prices)
    assert (learned.cost.usd, learned.cost.p90, learned.cost.expected) == (3, 3, 0)
    assert learned.cost_of("s1") == Decimal("1.5")
    unknown = orch.Graph("unknown")
    unknown.add(lambda: None, id="a", expects={"nobody": (1, 1)})
    assert unknown.plan().cost.unknown == ("nobody",)
    assert unknown.plan().cost_of("a") is None


def test_the_names_say_nothing_secret():
    assert repr(orch.Prices()) == "<orch.Prices>"
    assert repr(orch.Ledger(budget=1)) == "<orch.Ledger with 1 budgets>"
    assert repr(orch.Ledger(budget=1).reserve(2, run="r")).startswith("<orch.Reservation, not granted: the budget `budget`")

from load.accounts import Account
from load.tasks import AcceptedTasks, Task

ANN, BOB = Account("ann@example.com", "x"), Account("bob@example.com", "y")


def task(number: int, owner: Account = ANN, template: str = "/t/{task_id}") -> Task:
    return Task(template, "task_id", f"t{number}", owner)


def test_every_unseen_task_is_kept_and_only_the_newest_seen_ones():
    tasks = AcceptedTasks(kept_seen=3)
    for number in range(10):
        tasks.add(task(number))
    for number in range(8):
        tasks.seen_completed(f"t{number}")
    assert [kept.id for kept in tasks.all()] == ["t8", "t9", "t5", "t6", "t7"]


def test_an_id_that_is_given_out_twice_is_noticed():
    tasks = AcceptedTasks()
    tasks.add(task(1))
    tasks.seen_completed("t1")
    tasks.add(task(1, BOB))
    tasks.add(task(2))
    tasks.add(task(2))
    assert tasks.repeated_ids == ["t1", "t2"]


def test_another_users_task_is_a_recent_one_of_the_same_kind_and_never_the_own():
    tasks = AcceptedTasks()
    for number, (owner, template) in enumerate([(BOB, "/t/{task_id}"), (BOB, "/w/{id}"), (ANN, "/t/{task_id}")]):
        tasks.add(task(number, owner, template))
        tasks.seen_completed(f"t{number}")
    found = tasks.of_another(ANN, "/t/{task_id}")
    assert found is not None
    assert found.id == "t0"
    assert tasks.of_another(BOB, "/w/{id}") is None


def test_the_completion_of_a_task_that_nobody_accepted_means_nothing():
    tasks = AcceptedTasks()
    tasks.seen_completed("t1")
    assert tasks.all() == []


def test_a_completed_task_that_the_target_may_have_forgotten_is_not_asked_for_but_an_unseen_one_is():
    now_s = 0.0
    tasks = AcceptedTasks(retention_s=1800, clock=lambda: now_s)
    for number in (1, 2):
        tasks.add(task(number))
    tasks.seen_completed("t1")
    now_s = 1000.0
    tasks.add(task(3))
    tasks.seen_completed("t3")
    now_s = 2000.0
    assert [kept.id for kept in tasks.all()] == ["t2", "t3"]

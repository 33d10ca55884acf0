"""Orders are followed as they are given, and only the newest counts."""

from pathlib import Path

from journal.orders import Order, Orders, OrdersTail


def order(level: int) -> Order:
    return Order(level=level, users=10 * level, spawn_rate_per_s=5.0)


def test_of_several_orders_the_newest_is_followed_once(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    tail, orders = OrdersTail(path), Orders(path)
    assert tail.newest() is None
    for level in (1, 2):
        orders.give(order(level))
    assert tail.newest() == order(2)
    assert tail.newest() is None
    orders.give(order(3))
    orders.close()
    assert tail.newest() == order(3)


def test_a_line_that_is_no_order_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text('{"level": 1}\nnonsense\n{"level": 1, "users": "many", "spawn_rate_per_s": 1}\n')
    assert OrdersTail(path).newest() is None

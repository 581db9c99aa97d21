"""Who waits for whom: cycles, and what comes before what. Linear, and without recursion."""

from collections import deque
from collections.abc import Mapping, Sequence


def components(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Group the nodes that wait for each other in a circle; a node in no circle is alone.

    Args:
        graph: For each node what it depends on; every dependency is a node.

    Returns:
        The groups, each after all that it depends on.

    References:
        R. Tarjan, "Depth-first search and linear graph algorithms", 1972; here with a stack of
        iterators, because a chain of 10,000 steps is deeper than Python's own stack.
    """
    found: list[list[str]] = []
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    pending: list[str] = []
    is_pending: set[str] = set()
    for root in graph:
        if root in number:
            continue
        walk = [(root, iter(graph[root]))]
        number[root] = low[root] = len(number)
        pending.append(root)
        is_pending.add(root)
        while walk:
            node, rest = walk[-1]
            for other in rest:
                if other not in number:
                    number[other] = low[other] = len(number)
                    pending.append(other)
                    is_pending.add(other)
                    walk.append((other, iter(graph[other])))
                    break
                if other in is_pending:
                    low[node] = min(low[node], number[other])
            else:
                walk.pop()
                if walk:
                    above = walk[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == number[node]:
                    group: list[str] = []
                    while not group or group[-1] != node:
                        group.append(pending.pop())
                        is_pending.discard(group[-1])
                    found.append(group[::-1])
    return found


def cycle(graph: Mapping[str, Sequence[str]], group: Sequence[str]) -> list[str] | None:
    """Find the shortest way from the first of a group back to itself, both ends named.

    Returns:
        None if the group is one node that does not depend on itself.
    """
    start, members = group[0], set(group)
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for other in graph[node]:
            if other == start:
                path = [start, node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if other in members and other not in came_from:
                came_from[other] = node
                queue.append(other)
    return None


class Upstream:
    """Answers whether one node comes before another.

    Ancestors are sets of bits, one number a group: 10,000 steps in a chain take 6 MB, where sets
    of names would take gigabytes.
    """

    def __init__(self, graph: Mapping[str, Sequence[str]], groups: Sequence[Sequence[str]]) -> None:
        """Take a graph and its `components`."""
        self._bit = {node: 1 << index for index, group in enumerate(groups) for node in group}
        self._before: dict[str, int] = {}
        for group in groups:
            inside = self._bit[group[0]]
            before = 0
            for node in group:
                for other in graph[node]:
                    before |= self._bit[other]
                    if self._bit[other] != inside:
                        before |= self._before[other]
            self._before.update(dict.fromkeys(group, before))

    def is_before(self, first: str, then: str) -> bool:
        """Whether ``then`` depends on ``first``, directly or through others."""
        return bool(self._before[then] & self._bit[first])

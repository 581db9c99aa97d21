"""The rule about files: what lies on the disk is what was accepted."""

from tests.chaos.checker_facts import Facts, Findings, Json


def files_as_accepted(facts: Facts) -> Findings:
    """The bytes on the disk are those of the accepted result, under the path that was asked for."""
    digests: dict[str, str] = facts.dump["digests"]
    aliases = {each["path"]: each for each in facts.dump["collections"]["files"]}
    for path, alias in aliases.items():
        fine = digests.get(alias["object"]) == alias["digest"]
        yield (
            None
            if fine
            else f"{path} stands for {alias['digest']}, on the disk is {digests.get(alias['object'])}"
        )
    last: dict[str, Json] = {}
    for ending in sorted(facts.endings, key=lambda each: float(each.version["at"])):
        output = facts.output(ending.version)
        if ending.status != "completed" or not {"file", "digest"} <= output.keys():
            continue
        last[output["file"]] = output
        made = facts.executions.get(str(output.get("execution")), {})
        if not output["digest"] == made.get("digest") == digests.get(str(made.get("object"))):
            there = digests.get(str(made.get("object")))
            yield f"task {ending.id} has {output['digest']}, made was {made.get('digest')}, there is {there}"
        else:
            yield None
    for path, output in last.items():
        alias = aliases.get(path, {})
        uploaded = str(alias.get("object", "")).startswith("objects/uploads/")
        fine = uploaded or alias.get("digest") == output["digest"]
        yield None if fine else f"{path} stands for {alias.get('digest')}, accepted was {output['digest']}"

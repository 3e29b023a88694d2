"""The target of a pause: a node, a namespace or a job."""

from typing import NamedTuple

from cronguard.model.job import Job, check_name
from cronguard.system.errors import UsageError

NODE, NAMESPACE, JOB = "node", "namespace", "job"


class Target(NamedTuple):
    """A target. `kind` is one of the three; `name` is the name of the node or namespace, or NAMESPACE/NAME."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"namespace {self.name}" if self.kind == NAMESPACE else self.name

    @property
    def ns(self) -> str:
        """The namespace; empty for a node."""
        return "" if self.kind == NODE else self.name.partition("/")[0]

    @property
    def job(self) -> str:
        """The job's name within its namespace; empty for a node or namespace."""
        return self.name.partition("/")[2]

    @property
    def options(self) -> str:
        """The arguments that name the target on the command line."""
        return {NODE: f"--node {self.name}", NAMESPACE: f"--ns {self.name}"}.get(self.kind, self.name)

    @classmethod
    def chosen(cls, job: str | None, ns: str | None, node: str | None, here: str) -> "Target":
        """Return the target that was given, or the node `here`; raises UsageError for two, or for an invalid name."""
        named = [word for word in (job, ns and f"--ns {ns}", node and f"--node {node}") if word is not None]
        if len(named) > 1:
            raise UsageError(
                f"{' and '.join(named)}: only one is allowed", "name one job, one namespace or one node"
            )
        if job is not None:
            return cls(JOB, str(Job.parse(job)))
        if ns is not None:
            return cls(NAMESPACE, check_name(ns, "--ns"))
        return cls(NODE, check_name(node, "--node") if node is not None else here)

"""Users of a secured broker: create them, and let them read a topic. Only its administrator may do either."""

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)

from lib.errors import AccessError
from lib.security import MECHANISM
from lib.topics.cluster import Cluster

REMEDY = "the broker must have users and access rules, and you must be its administrator: see docker/README.md"


def credential(user: str, password: str) -> UserScramCredentialUpsertion:
    """The user's name with the salted password, which is all that a broker keeps."""
    return UserScramCredentialUpsertion(user, MECHANISM, password, iterations=8192)


def set_password(cluster: Cluster, user: str, password: str) -> None:
    """Create a user, or change the password; AccessError if the broker refuses that."""
    error = cluster.ask(lambda client: client.alter_user_scram_credentials([credential(user, password)]))[user]
    if error:
        raise AccessError(f"the broker does not set a password for {user!r}: {error}", REMEDY, user=user)


def allow_reading(cluster: Cluster, user: str, topic: str) -> None:
    """Let a user read a topic and its settings, in any consumer group; AccessError if the broker refuses that.

    Who may do no more can neither write nor delete, nor see other topics. TopicError if the topic does not exist.
    """
    cluster.topic_id(topic)
    rules = [
        ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))
        for kind, name, operation in (
            (ResourceType.TOPIC, topic, ACLOperation.READ),
            (ResourceType.TOPIC, topic, ACLOperation.DESCRIBE_CONFIGS),
            (ResourceType.GROUP, "*", ACLOperation.READ),
        )
    ]
    if failed := cluster.ask(lambda client: client.create_acls(rules))["failed"]:
        names = ", ".join({error.__name__ for error in failed})
        raise AccessError(f"the broker does not let {user!r} read {topic}: {names}", REMEDY, user=user)

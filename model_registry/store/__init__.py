"""Models on a node's disk: verified when they come, when they are read and while they lie there."""

from model_registry.store.bundled import bundled_models
from model_registry.store.incoming import Incoming
from model_registry.store.model_store import ModelStore

__all__ = ["Incoming", "ModelStore", "bundled_models"]

"""YAML or a mapping in, an ExperimentConfig out; what is wrong is one line that names the key."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlxts import files
from mlxts.config import renamed_keys
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.validation import first_problem, one_line
from mlxts.config.yamltext import YamlError, overridden, parse_yaml
from mlxts.data.sources import registry
from mlxts.errors import ConfigError


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> ExperimentConfig:
    """Read a configuration file and apply overrides (`{"model.depth": 6}`).

    Raises:
        ConfigError: no such file, not YAML, an unknown key, a wrong type, or not allowed in strict
            mode.
    """
    values = read_mapping(path)
    values.setdefault("name", path.stem)
    return build_config(overridden(values, overrides or {}), origin=str(path))


def load_stored(path: Path) -> ExperimentConfig:
    """The configuration that a run wrote down, of this release or the last.

    Raises:
        ConfigError: see `load_config`.
    """
    return build_config(_read(path), origin=str(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping; those of `configs/` come with an installed package too.

    Keys by their former names are renamed, with a warning.

    Raises:
        ConfigError: no such file, one that cannot be read, no mapping, or a key by both its names.
    """
    values = _read(path)
    try:
        return renamed_keys.current_with_notice(values, str(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    shipped = files.RESOURCES / path
    try:
        values = parse_yaml(files.read_text(path if path.exists() else shipped))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration at {path}; `mlxts init` writes some") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {files.reason(error)}") from error
    except YamlError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping; start it with `name: ...`")
    return values


def build_config(values: dict[str, Any], *, origin: str = "configuration") -> ExperimentConfig:
    """Validate a mapping, its former names read as those of today.

    Raises:
        ConfigError: it names the first offending key.
    """
    try:
        config = ExperimentConfig.model_validate(renamed_keys.current(values))
        registry.require_bars(config.data.source)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {first_problem(error, ExperimentConfig)}") from error
    except ConfigError as error:
        raise ConfigError(f"{origin}: {one_line(str(error))}") from error
    return config

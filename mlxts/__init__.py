"""mlxts: do neural scaling laws hold for transformers on financial time series?"""

from mlxts import backend

backend.prepare()

"""Imported first by a process that loads all there is: of a million objects that stay, none is
worth a look for garbage. Whoever is done with loading turns the collector on."""

import gc

gc.disable()

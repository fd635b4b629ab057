"""No auxiliary objective: G and D alone."""

from stages.gan.auxiliaries import Objective

Chosen = Objective

"""Coefficients of the chances of pairs; written by ``bench/fit_matching.py --write``, not by hand."""

#: between which values each kind of evidence is taken as it is; beyond them as the nearest of them
LIMITS: dict[str, tuple[float, float]] = {
    'cosine': (0.0065, 1.0),
    'above_density': (-1.289, 1.1753),
    'contained': (0.0, 1.0),
    'shared': (0.0, 1.0),
    'word_apart': (0.0, 1.0),
    'words_apart': (0.0, 1.0),
    'code_shared': (0.0, 0.9097),
    'code_apart': (0.0, 1.0),
    'number_apart': (0.0, 3.0),
    'number_lacking': (0.0, 4.0),
    'model_apart': (0.0, 1.0),
    'code_shared_all': (0.0, 0.9097),
    'contained_all': (0.0, 1.0),
    'shared_all': (0.0, 1.0),
    'agreement': (0.0, 6.3673),
    'disagreement': (0.0, 3.9801),
    'identifier_equal': (0.0, 0.8822),
    'identifier_near': (0.0, 1.0),
    'identifier_apart': (0.0, 3.0),
    'identifiers_refuse': (0.0, 3.0),
    'agreeing': (0.0, 1.0),
}
#: intercept, then one coefficient for each of :func:`features.matching.chances.terms`
EVIDENCE: tuple[float, ...] = (-5.56955, 9.12599, 1.9734, 0.38155, 5.32764, 0.44542, -0.87881, 7.28611, -1.54798, -0.79766, 0.04986, 0.04975, -7.47368, -2.51781, -5.07632, 3.19874, -0.93276, -4.35628, 0.3244, -0.36272, -0.07838, -0.21573, -2.36488, 1.05912, -0.2276, -0.03477, -1.04814, 0.07657, -7.35039, -0.91284, -0.19129, 0.00161, 0.04975, 15.07523, 3.7817, 1.7074, -0.23134, -0.12487, 4.56258, 0.3244, -0.57619, -0.49592, 0.12378, 1.97002, -6.92589, -2.85809, -2.29953)
#: intercept, then one for each column of :func:`features.matching.chances.against_rivals`
ASSIGNED: tuple[float, ...] = (0.53257, 1.02412, -0.009, -0.09754, 0.25308, 0.5931, -0.36389)

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
EVIDENCE: tuple[float, ...] = (-3.43621, 0.39797, 2.63504, 1.54998, 0.0, 0.0, -0.62605, 0.0, -1.76771, -0.85624, 0.0, 0.0, 0.0, 0.0, 0.0, 2.51859, -1.08206, 0.0, 0.65497, -0.23701, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.17321, -0.40838, 0.0, -0.90194, -0.14531, 0.0, 0.0, 5.00757, 0.0, 0.0, 0.0, -0.12824, 0.05062, 0.65497, -0.69624, -0.57722, 0.0, 0.0, 0.0, 0.0, 0.0)
#: intercept, then one for each column of :func:`features.matching.chances.against_rivals`
ASSIGNED: tuple[float, ...] = (0.57534, 1.01313, 0.00361, -0.09497, 0.2829, 0.59561, -0.35292)

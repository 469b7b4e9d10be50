# Stands in for PyTorch: as much of it as the question takes, on lists.
import random
from contextlib import nullcontext as inference_mode

__version__ = "2.13.0+cu129"


class version:
    cuda = "12.9"


class device:
    def __init__(self, kind, index):
        pass


class cuda:
    init = synchronize = staticmethod(lambda *_: None)
    get_device_name = staticmethod(lambda _: "NVIDIA GeForce RTX 3090")
    get_device_capability = staticmethod(lambda _: (8, 6))


class Matrix:
    def __init__(self, rows, slow=True):
        self.rows, self.slow = rows, slow

    def to(self, _):
        return Matrix(self.rows, slow=False)

    def cpu(self):
        return Matrix(self.rows)

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        for _ in range(9 if self.slow else 1):
            product = [[sum(map(float.__mul__, row, column)) for column in columns] for row in self.rows]
        return Matrix(product, self.slow)

    def __sub__(self, other):
        return Matrix([[a - b for a, b in zip(*rows)] for rows in zip(self.rows, other.rows)])

    def abs(self):
        return Matrix([[abs(a) for a in row] for row in self.rows])

    def max(self):
        return Matrix([[max(map(max, self.rows))]])

    def item(self):
        return self.rows[0][0]


def randn(rows, columns):
    return Matrix([[random.gauss(0, 1) for _ in range(columns)] for _ in range(rows)])


def manual_seed(seed):
    random.seed(seed)


def set_float32_matmul_precision(precision):
    assert precision == "highest"


print("what a module says as it is imported")

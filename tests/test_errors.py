import inspect

from wetread import errors


def test_the_drawn_tree_is_the_real_one():
    drawn = {}
    path = []
    for line in errors.__doc__.splitlines():
        name = line.strip().split(" ")[0]
        if not (name.endswith("Error") and line.startswith("    ")):
            continue
        depth = (len(line) - len(line.lstrip()) - 4) // 2
        path = [*path[:depth], name]
        drawn[name] = path[-2] if depth else "Exception"
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert drawn == real


def test_every_error_ends_with_exit_code_2():
    assert errors.WetreadError.exit_code == 2

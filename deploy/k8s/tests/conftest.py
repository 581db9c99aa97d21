"""Everything that kustomize makes of an overlay, once for all tests."""

import pytest

from deploy.k8s.tests.rendered import BUILDS, Rendered, render


@pytest.fixture(scope="session", params=BUILDS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """Each overlay, and the combinations that no overlay has."""
    return render(request.param)


@pytest.fixture(scope="session")
def prod() -> Rendered:
    """What production gets."""
    return render("overlays/prod")

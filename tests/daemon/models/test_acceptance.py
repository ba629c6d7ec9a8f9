"""A node runs what it came with, what somebody whom it trusts has signed, and what says that nobody did."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from meshd.config import Config
from meshd.config.config import Models, Node
from meshd.core.ids import ModelName
from meshd.daemon.models.acceptance import Acceptance, bundled_manifests
from meshd.daemon.models.catalogue import Catalogue
from model_registry.errors import NotAccepted, ReplacementRefused, SignatureInvalid
from model_registry.manifest import Manifest, dumps
from model_registry.store import ModelStore
from model_registry.trust.publisher import Publishers
from model_registry.trust.signature import signed
from model_registry.trust.signing_key import SigningKey
from tests.daemon.toys import MODEL, lay_bundle, manifest


class Site:
    """A state directory, a folder of bundles, and a publisher whom nobody trusts yet."""

    def __init__(self, root: Path) -> None:
        self.bundles = root / "bundles"
        self.bundles.mkdir()
        self.key = SigningKey.create(root / "publisher.pem")
        self.config = Config(node=Node(state_dir=root / "state"), models=Models(dir=self.bundles))
        self.publishers = Publishers(self.config.publishers_path)
        self.store = ModelStore(root / "state" / "models")

    @property
    def acceptance(self) -> Acceptance:
        return Acceptance(self.config, self.store)

    def signed(self, form: Manifest) -> Manifest:
        return signed(form, self.key)

    def installed(self) -> Catalogue:
        """What a daemon knows after its start."""
        catalogue = Catalogue(self.config, self.store)
        catalogue.install()
        return catalogue


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_strangers_model_is_a_problem_that_names_the_command(site: Site) -> None:
    lay_bundle(site.bundles, site.signed(manifest()))
    catalogue = site.installed()
    assert list(catalogue.manifests()) == []
    [problem] = catalogue.problems
    assert problem.sentence.count("Model '") == 1
    assert f"signed by {site.key.publisher}, who is not trusted here" in problem.sentence
    assert f"meshd models trust {site.key.publisher} --name NAME" in problem.hint


def test_a_trusted_publishers_model_is_known_and_says_whose_it_is(site: Site) -> None:
    site.publishers.trust(site.key.publisher, name="clinic")
    lay_bundle(site.bundles, site.signed(manifest()))
    catalogue = site.installed()
    [known] = catalogue.manifests()
    assert (catalogue.problems, catalogue.acceptance.signer(known)) == ([], "clinic")


def test_what_was_wrong_with_a_model_ends_when_a_good_one_comes_or_it_goes(site: Site) -> None:
    lay_bundle(site.bundles, site.signed(manifest()))
    catalogue = site.installed()
    catalogue.learn(manifest())
    assert catalogue.problems == []
    catalogue.review()
    assert len(catalogue.problems) == 1
    catalogue.forget(ModelName(MODEL))
    assert catalogue.problems == []


def test_a_publisher_of_the_configuration_is_trusted(site: Site) -> None:
    site.config = replace(site.config, models=replace(site.config.models, publishers=(site.key.publisher,)))
    site.acceptance.check_new(site.signed(manifest()))


def test_a_model_whose_publisher_is_trusted_no_longer_is_not_run_again(site: Site) -> None:
    site.publishers.trust(site.key.publisher)
    lay_bundle(site.bundles, site.signed(manifest()))
    assert [known.name for known in site.installed().manifests()] == ["toy"]
    site.publishers.untrust(site.key.publisher)
    assert list(site.installed().manifests()) == []


def test_an_unsigned_model_says_so_or_is_refused(site: Site) -> None:
    site.acceptance.check_new(replace(manifest(), unsigned=True))
    with pytest.raises(NotAccepted, match="Nobody has signed model 'toy', and it does not say so") as caught:
        site.acceptance.check_new(replace(manifest(), unsigned=False))
    assert "meshd models sign --unsigned BUNDLE" in caught.value.hint


def test_checking_a_signature_leaves_no_cryptography_in_the_daemon(site: Site, tmp_path: Path) -> None:
    site.publishers.trust(site.key.publisher)
    (tmp_path / "manifest.toml").write_text(dumps(site.signed(manifest())))
    program = (
        "import sys; from pathlib import Path\n"
        "from model_registry.manifest import load; from model_registry.trust.publisher import Publishers\n"
        "Publishers(Path(sys.argv[1])).accept(load(Path(sys.argv[2])))\n"
        "print('cryptography' in sys.modules)"
    )
    command = (sys.executable, "-c", program, site.config.publishers_path, tmp_path / "manifest.toml")
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_a_bad_signature_is_refused_whoever_is_trusted(site: Site) -> None:
    site.publishers.trust(site.key.publisher)
    with pytest.raises(SignatureInvalid):
        site.acceptance.check_new(replace(site.signed(manifest()), privacy="public"))


def test_bundled_models_are_accepted_and_called_so(site: Site) -> None:
    for bundled in bundled_manifests().values():
        site.acceptance.check(bundled)
        assert site.acceptance.signer(bundled) == "bundled"


def test_a_changed_bundled_model_is_not_bundled(site: Site) -> None:
    changed = replace(next(iter(bundled_manifests().values())), summary="Something else")
    assert site.acceptance.signer(changed) == "unsigned"


def test_an_unsigned_model_never_comes_from_a_peer(site: Site) -> None:
    with pytest.raises(NotAccepted, match="which a peer offers"):
        site.acceptance.check_offered(replace(manifest(), unsigned=True))


class TestWithOneInstalled:
    @pytest.fixture
    def installed(self, site: Site) -> Manifest:
        """Version 1.2.3, of a trusted publisher."""
        site.publishers.trust(site.key.publisher)
        form = site.signed(manifest())
        site.store.add(lay_bundle(site.bundles, form))
        return form

    def test_its_publishers_later_version_replaces_it(self, site: Site, installed: Manifest) -> None:
        later = site.signed(replace(installed, version="1.10.0"))
        site.acceptance.check_new(later)
        site.acceptance.check_offered(later)

    def test_an_older_version_does_not_replace_it(self, site: Site, installed: Manifest) -> None:
        with pytest.raises(ReplacementRefused, match=r"Version 1\.2\.2 of 'toy' is older than the installed 1\.2\.3"):
            site.acceptance.check_new(site.signed(replace(installed, version="1.2.2")))

    def test_another_trusted_publishers_does_not_replace_it(
        self, site: Site, installed: Manifest, tmp_path: Path
    ) -> None:
        other = SigningKey.create(tmp_path / "other.pem")
        site.publishers.trust(other.publisher)
        with pytest.raises(ReplacementRefused, match="under the name 'toy'") as caught:
            site.acceptance.check_new(signed(replace(installed, version="2.0.0"), other))
        assert caught.value.hint.endswith("meshd models remove toy")

    def test_an_unsigned_one_does_not_replace_it(self, site: Site, installed: Manifest) -> None:
        with pytest.raises(ReplacementRefused, match="An unsigned model would replace"):
            site.acceptance.check_new(replace(installed, version="2.0.0", signature=None, unsigned=True))

    def test_two_contents_of_one_version_do_not_chase_each_other_through_the_mesh(
        self, site: Site, installed: Manifest
    ) -> None:
        site.acceptance.check_offered(installed)
        with pytest.raises(NotAccepted, match=r"another 'toy' under the version 1\.2\.3"):
            site.acceptance.check_offered(site.signed(replace(installed, summary="Measured anew")))


def test_what_came_with_meshd_does_not_replace_what_the_user_put_in_its_place(site: Site) -> None:
    name, bundled = next(iter(bundled_manifests().items()))
    newer = replace(bundled, version="99.0.0", unsigned=True)
    site.store.install_bundled(name)
    site.store.add_manifest(dumps(newer))
    site.config = replace(site.config, models=Models())
    catalogue = site.installed()
    assert (catalogue.problems, catalogue.manifest(ModelName(name))) == ([], newer)

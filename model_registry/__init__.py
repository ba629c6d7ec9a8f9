"""Models as the mesh knows them: manifests, artifacts, tiers and what each costs on which device."""

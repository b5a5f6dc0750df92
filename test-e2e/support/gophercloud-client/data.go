package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"io"
	"math/rand"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imagedata"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imageimport"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
)

func randomData(size int) []byte {
	data := make([]byte, size)
	rand.Read(data)
	return data
}

func md5Of(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

func create(client *gophercloud.ServiceClient, options images.CreateOpts) *images.Image {
	options.DiskFormat, options.ContainerFormat = "raw", "bare"
	image, err := images.Create(client, options).Extract()
	must(err)
	return image
}

func get(client *gophercloud.ServiceClient, id string) *images.Image {
	image, err := images.Get(client, id).Extract()
	must(err)
	return image
}

func download(client *gophercloud.ServiceClient, id string) []byte {
	body, err := imagedata.Download(client, id).Extract()
	must(err)
	defer body.Close()
	data, err := io.ReadAll(body)
	must(err)
	return data
}

func lifecycle(ours, _ *gophercloud.ServiceClient) {
	isProtected := false
	private := images.ImageVisibilityPrivate
	image := create(ours, images.CreateOpts{
		ID:         "5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c21",
		Name:       "of Go",
		Tags:       []string{"one", "two"},
		MinDisk:    2,
		MinRAM:     512,
		Visibility: &private,
		Protected:  &isProtected,
		Properties: map[string]string{"hw_disk_bus": "scsi", "os_distro": "debian"},
	})
	equal(image.ID, "5a9e2c3e-0d4b-4f38-8f1e-3f6c1f6f0c21")
	equal(image.Status, images.ImageStatusQueued)
	equal(image.SizeBytes, int64(0))
	equal(image.OpenStackImageImportMethods, []string{"glance-direct", "web-download"})
	equal(image.OpenStackImageStoreIDs, []string{"fast", "cheap", "web"})

	data := randomData(3_000_000)
	must(imagedata.Upload(ours, image.ID, bytes.NewReader(data)).ExtractErr())
	shown := get(ours, image.ID)
	equal(shown.Status, images.ImageStatusActive)
	equal(shown.SizeBytes, int64(len(data)))
	equal(shown.VirtualSize, int64(len(data)))
	equal(shown.Checksum, md5Of(data))
	equal(len(shown.Tags), 2)
	equal([]int{shown.MinDiskGigabytes, shown.MinRAMMegabytes}, []int{2, 512})
	equal(shown.Visibility, private)
	equal(shown.Owner, os.Getenv("PROJECT_ID"))
	equal(shown.File, "/v2/images/"+image.ID+"/file")
	equal(shown.Schema, "/v2/schemas/image")
	equal(shown.Properties["hw_disk_bus"], "scsi")
	equal(shown.Properties["os_distro"], "debian")
	equal(shown.Properties["os_hidden"], false)
	equal(shown.CreatedAt.IsZero() || shown.UpdatedAt.Before(shown.CreatedAt), false)
	equal(download(ours, image.ID), data)

	must(images.Delete(ours, image.ID).ExtractErr())
	refused(images.Get(ours, image.ID).Err, gophercloud.ErrDefault404{})

	// Of unknown length.
	streamed := create(ours, images.CreateOpts{Name: "streamed"})
	reader, writer := io.Pipe()
	go func() {
		for at := 0; at < len(data); at += 100_000 {
			writer.Write(data[at : at+100_000])
		}
		writer.Close()
	}()
	must(imagedata.Upload(ours, streamed.ID, reader).ExtractErr())
	equal(download(ours, streamed.ID), data)
	must(images.Delete(ours, streamed.ID).ExtractErr())
}

func imports(ours, _ *gophercloud.ServiceClient) {
	info, err := imageimport.Get(ours).Extract()
	must(err)
	equal(info.ImportMethods.Value, []string{"glance-direct", "web-download"})

	data := randomData(1_000_000)
	staged := create(ours, images.CreateOpts{Name: "staged"})
	must(imagedata.Stage(ours, staged.ID, bytes.NewReader(data)).ExtractErr())
	equal(string(get(ours, staged.ID).Status), "uploading")
	importNow(ours, staged.ID, imageimport.CreateOpts{Name: imageimport.GlanceDirectMethod})
	equal(download(ours, staged.ID), data)
	must(images.Delete(ours, staged.ID).ExtractErr())

	fetched := create(ours, images.CreateOpts{Name: "fetched"})
	importNow(ours, fetched.ID, imageimport.CreateOpts{
		Name: imageimport.WebDownloadMethod,
		URI:  os.Getenv("SOURCE"),
	})
	expected, err := os.ReadFile(os.Getenv("SOURCE_FILE"))
	must(err)
	equal(download(ours, fetched.ID), expected)
	must(images.Delete(ours, fetched.ID).ExtractErr())
}

func importNow(client *gophercloud.ServiceClient, id string, options imageimport.CreateOpts) {
	must(imageimport.Create(client, id, options).ExtractErr())
	eventually("the import", func() bool {
		return get(client, id).Status == images.ImageStatusActive
	})
}
